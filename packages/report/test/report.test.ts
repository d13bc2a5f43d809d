import { readdir, readFile } from 'node:fs/promises';
import { buildReport, parseSummary, type Summary, writeReport } from '@align2speak/report';
import { describe, expect, it } from 'vitest';
import { formatDuration, languageName, significant } from '../src/format.js';
import { html } from '../src/html.js';
import { readWave } from '../src/wave.js';
import { fakeMetrics, fakeSummary, inFolder, toneWav, writeDemo } from './fixture.js';

const folder = inFolder();

// biome-ignore lint/suspicious/noExplicitAny: what is broken on purpose has no type
type Broken = any;
const nbsp = '\u00a0';

/** Text of a page without its tags, styles and scripts. */
const textOf = (page: string) =>
  page
    .replace(/<(style|script)>[\s\S]*?<\/\1>/g, '')
    .replace(/<[^>]+>/g, ' ')
    .replaceAll(nbsp, ' ')
    .replace(/\s+/g, ' ');

async function reportOf(summary: Summary, name: string): Promise<string> {
  await writeDemo(folder.write, name);
  await folder.write(`${name}/summary.json`, JSON.stringify(summary));
  return textOf(await buildReport(folder.path(name)));
}

describe('summary.json', () => {
  const change = (edit: (summary: Broken) => void) => {
    const summary = JSON.parse(JSON.stringify(fakeSummary()));
    edit(summary);
    return () => parseSummary(summary, 'summary.json');
  };

  it.each<[string, (summary: Broken) => void]>([
    ['stages.0.ssimm: expected fields that exist, got unknown ones', (s) => (s.stages[0].ssimm = 1)],
    ['stages.1.cer.low: expected a number, got null', (s) => (s.stages[1].cer.low = null)],
    ['stages.1.cer: expected low at most high', (s) => (s.stages[1].cer.low = 9)],
    ['stages.2.lengthRatio: expected a number or {mean, low, high}, got "1"', (s) => (s.stages[2].lengthRatio = '1')],
    ['stages: expected at least 1 entries, got []', (s) => (s.stages = [])],
    ['language: expected a string, got nothing', (s) => delete s.language],
    ['phases.evaluate: expected at least 0, got -1', (s) => (s.phases.evaluate = -1)],
  ])('is refused: %s', (message, edit) => {
    expect(change(edit)).toThrow(`summary.json: ${message}`);
    expect(change(edit)).toThrow(expect.objectContaining({ code: 'DATA' }));
  });

  it.each(['stages.0.name', 'samples.0.files'])('is refused with a stage nobody knows in %s', (what) => {
    const edit = change((summary: Broken) => {
      if (what === 'stages.0.name') summary.stages[0].name = 'ppo';
      else summary.samples[0].files = { ppo: 'a.wav' };
    });
    expect(edit).toThrow(expect.objectContaining({ what: expect.stringContaining(what) }));
  });
});

describe('a report', () => {
  it('opens with the error rate before and after, by the recogniser that was no reward', async () => {
    const text = await reportOf(fakeSummary(), 'headline');
    expect(text).toContain('Portuguese: character error rate from 29.9 % to 4.5 %');
    expect(text).toContain('6.7 times fewer errors, as heard by a recogniser that was never a reward');
    expect(text).not.toContain('intervals overlap');
  });

  it('says so where the gain may be chance, and where it is a loss', async () => {
    const summary = fakeSummary();
    summary.stages[4]!.cerHeldOut = { mean: 0.31, low: 0.27, high: 0.35 };
    summary.stages = [summary.stages[0]!, { ...summary.stages[4]!, name: 'fine-tune+grpo', guidance: 1 }];
    const text = await reportOf(summary, 'worse');
    expect(text).toContain('1.04 times more errors');
    expect(text).toContain('The 95 % intervals overlap: this may be chance.');
  });

  it('shows every stage, ceiling, language, phase, alarm and comparison', async () => {
    const text = await reportOf(fakeSummary(), 'whole');
    for (const part of [
      'fine-tune + GRPO, guidance 2',
      'recording through the codec 3.1 % [2.5, 3.7]',
      'German 5.0 % [3.9, 6.1] 4.6 %',
      'fine-tune + GRPO: rollouts 2 min 1 s 22 %',
      'everything else 13 s 2.4 %',
      'speech-rate fine-tune + GRPO step 41 speech is 6 % longer',
      'fine-tune + GRPO fine-tune CER, held-out −8.9 [−10.4, −7.5] points 2.96',
      '0.012 [−0.006, 0.031] may be chance',
      'Entropy nats · fine-tune + GRPO',
      'The speech in this demo is synthetic',
      'npm run demo -- --set seed=1',
      'CER 35.0 %',
    ])
      expect(text).toContain(part);
  });

  it('needs nothing but a stage', async () => {
    const interval = { mean: 0.2, low: 0.1, high: 0.3 };
    const stages = [{ name: 'grpo' as const, cer: interval, items: 5, seeds: 1 }];
    await folder.write('bare/summary.json', JSON.stringify({ language: 'pl', stages }));
    const text = textOf(await buildReport(folder.path('bare')));
    expect(text).toContain('Polish: 20.0 % of the characters are wrong');
    for (const absent of ['NaN', 'undefined', 'Infinity', 'Listen', 'Learning curves'])
      expect(text).not.toContain(absent);
  });

  it('shows curves alone where nothing was evaluated', async () => {
    await folder.write('plain/metrics.jsonl', fakeMetrics('supervised', 60, 1));
    const text = textOf(await buildReport(folder.path('plain')));
    expect(text).toContain('plain: up to step 59');
    expect(text).toContain('Validation: loss');
    expect(text).not.toContain('Where the time went');
    for (const absent of ['NaN', 'undefined', 'Infinity', 'Results']) expect(text).not.toContain(absent);
  });

  it('times the phases of a training by its metrics', async () => {
    await folder.write('timed/metrics.jsonl', fakeMetrics('grpo', 50, 1));
    const text = textOf(await buildReport(folder.path('timed')));
    expect(text).toContain('Where the time went 1 min 4 s in all.');
    expect(text).toContain('rollouts 35 s 55 %');
    expect(text).toContain('speech-rate step 41');
    expect(text).toMatch(/Total this run 0\.4\d+ 0\.6\d+ \+0\.2/);
  });

  it('further languages have results of their own', async () => {
    const summary = fakeSummary();
    summary.languages = { hi: { stages: summary.stages.slice(0, 3) } };
    expect(await reportOf(summary, 'languages')).toContain('Results: Hindi');
  });

  it('is written whole, under its name', async () => {
    await writeDemo(folder.write, 'written');
    const path = await writeReport(folder.path('written'));
    expect(await readFile(path, 'utf8')).toBe(await buildReport(folder.path('written')));
    expect((await readdir(folder.path('written'))).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('escapes what comes from files, in text and in attributes', async () => {
    expect(html`<b title="${'"><x>'}">${["<i>'", html`<i>`]}</b>${undefined}${false}`.text).toBe(
      '<b title="&quot;&gt;&lt;x&gt;">&lt;i&gt;&#39;<i></b>',
    );
    const summary = fakeSummary();
    const hostile = `</title></script><script>alert("&")</script>`;
    Object.assign(summary, { title: hostile, about: hostile, reproduce: [hostile], language: hostile });
    summary.samples![0]!.text = hostile;
    summary.phases = { [hostile]: 3 };
    await writeDemo(folder.write, 'hostile');
    await folder.write('hostile/summary.json', JSON.stringify(summary));
    const page = await buildReport(folder.path('hostile'));
    expect(page.match(/<script/g)).toHaveLength(1);
    expect(page).not.toContain('alert("');
  });

  it.each([
    ['empty', {}, 'run folder: expected summary.json or metrics.jsonl, got neither'],
    ['json', { 'summary.json': '{' }, 'summary.json: file: expected JSON'],
    ['lines', { 'metrics.jsonl': 'x\n' }, 'metrics.jsonl: line 1: line: expected a JSON object, got x'],
    ['clip', { 'samples/0-fine.wav': 'RIFF' }, '0-fine.wav: file: expected a WAV file, got 4 bytes that are none'],
  ])('refuses a damaged folder: %s', async (name, files, message) => {
    if (name === 'clip') await writeDemo(folder.write, name);
    for (const [file, content] of Object.entries({ 'config.json': '{}', ...files }))
      await folder.write(`${name}/${file}`, content);
    await expect(buildReport(folder.path(name))).rejects.toThrow(message);
  });

  it('names a file that the summary names and that is not there', async () => {
    await folder.write('gone/summary.json', JSON.stringify(fakeSummary()));
    await expect(buildReport(folder.path('gone'))).rejects.toMatchObject({
      code: 'DATA',
      where: folder.path('gone/fine-tune/metrics.jsonl'),
      got: 'ENOENT',
    });
  });
});

describe('a WAV file', () => {
  it('gives its length and its peaks', () => {
    const wave = readWave(Buffer.from(toneWav(440, 0.5)), 'a.wav', 10);
    expect(wave.durationSec).toBeCloseTo(0.5, 4);
    expect(wave.peaks).toHaveLength(10);
    expect(Math.max(...wave.peaks!)).toBeGreaterThan(0.3);
    expect(wave.peaks![0]).toBeLessThan(0.15);
  });

  it('has a length but no peaks in other encodings', () => {
    const bytes = Buffer.from(toneWav(440, 0.5));
    bytes.writeUInt16LE(3, 20);
    expect(readWave(bytes, 'a.wav', 10)).toMatchObject({ peaks: undefined });
  });

  it('is refused without audio', () => {
    const bytes = Buffer.from(toneWav(440, 0.1));
    bytes.writeUInt32LE(0, 40);
    expect(() => readWave(bytes.subarray(0, 44), 'a.wav', 10)).toThrow('a.wav: data: expected audio, got 0 bytes');
    expect(() => readWave(bytes.subarray(0, 36), 'a.wav', 10)).toThrow(
      'a.wav: data: expected a chunk of audio, got none',
    );
  });
});

describe('numbers', () => {
  it.each([
    [0, '0'],
    [0.12345, '0.123'],
    [-0.00004, '−4e−5'],
    [1234.5, '1234.5'],
    [12_345_678, '1.23e7'],
  ])('%s as %s', (value, text) => expect(significant(value)).toBe(text));

  it.each([
    [3.21, '3.21 s'],
    [59.7, '1 min'],
    [522, '8 min 42 s'],
    [3900, '1 h 5 min'],
    [7200, '2 h'],
  ])('%s seconds as %s', (value, text) => expect(formatDuration(value)).toBe(text));

  it('names languages, and leaves what is no code', () => {
    expect([languageName('pt'), languageName('no such thing')]).toEqual(['Portuguese', 'no such thing']);
  });
});
