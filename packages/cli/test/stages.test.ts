import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { readWav } from '@align2speak/audio';
import { main } from '@align2speak/cli';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { configsOf, makeProject, type Project, writeTts } from '../../train/test/fixtures/project.js';

let project: Project;
let printed: string[] = [];
beforeAll(async () => {
  project = await makeProject();
});
afterAll(() => project.remove());
beforeEach(() => {
  printed = [];
  for (const method of ['log', 'error'] as const)
    vi.spyOn(console, method).mockImplementation((line) => void printed.push(String(line)));
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
});
afterEach(() => {
  vi.restoreAllMocks();
});

const write = (name: string, config: object) => {
  writeFileSync(project.path(name), JSON.stringify(config));
  return project.path(name);
};

describe('a stage', () => {
  it('runs from a configuration and settings, and refuses to begin twice in a folder', async () => {
    const config = write('finetune.yaml', configsOf(project).finetune);
    const out = project.path('run');
    const args = ['finetune', '--config', config, '--set', 'steps=2', '--set', 'train.0.repeat=2', '--out', out];
    expect(await main(args)).toBe(0);
    expect(JSON.parse(readFileSync(`${out}/config.json`, 'utf8'))).toMatchObject({ steps: 2, train: [{ repeat: 2 }] });
    for (const name of ['best', 'last', 'checkpoints/step-2'])
      expect(existsSync(`${out}/${name}/weights.safetensors`)).toBe(true);
    expect(await main(args)).toBe(1);
    expect(printed.at(-1)).toMatch(/run: --out: expected a new folder, got one with a run\nhint: add --resume/);
    expect(await main([...args, '--resume'])).toBe(0);
  });

  it("takes rewards of one's own beside the configured ones, with a weight", async () => {
    const config = write('grpo.yaml', { ...configsOf(project).grpo, steps: 1, validateEvery: 0 });
    const out = project.path('own-rewards');
    const file = fileURLToPath(new URL('../../rewards/examples/duration-reward.js', import.meta.url));
    expect(await main(['grpo', '--config', config, '--out', out, '--reward', `${file}=0.25`])).toBe(0);
    const { rewards } = JSON.parse(readFileSync(`${out}/config.json`, 'utf8'));
    expect(rewards).toHaveLength(5);
    expect(rewards[4]).toEqual({ use: file, weight: 0.25, credit: 0 });
    const metrics = JSON.parse(readFileSync(`${out}/metrics.jsonl`, 'utf8').split('\n')[0]!);
    expect(metrics['reward/duration'] ?? metrics['validation/reward/duration']).toBeTypeOf('number');
    expect(await main(['grpo', '--config', config, '--out', project.path('refused'), '--reward', 'nowhere.js'])).toBe(
      1,
    );
    expect(printed.at(-1)).toMatch(/nowhere\.js: file: expected a module that can be imported, got /);
  });

  it('prints its schema, and one line for a wrong configuration', async () => {
    expect(await main(['grpo', '--schema'])).toBe(0);
    expect(JSON.parse(printed[0]!).properties.groupSize).toMatchObject({ default: 12 });
    expect(await main(['codec', 'train', '--schema'])).toBe(0);
    const config = write('wrong.yaml', { ...configsOf(project).grpo, groupsize: 4 });
    expect(await main(['grpo', '--config', config, '--out', project.path('none')])).toBe(1);
    expect(printed.at(-1)).toBe(`${config}: groupsize: expected fields that exist, got unknown ones`);
    expect(existsSync(project.path('none'))).toBe(false);
  });
});

describe('evaluate', () => {
  const config = () => {
    const { recogniser, heldOut, speaker, quality } = project.judges;
    const judges = { recogniser, heldOutRecogniser: heldOut, speaker, heldOutSpeaker: speaker, quality };
    const sampling = { seeds: [1, 2], temperature: 1, minFrames: 2, maxFrames: 8, contextFrames: 2 };
    return { codec: project.codec, tests: [project.validation], voices: [project.train], judges, ...sampling };
  };

  it('prints each measure with its interval, and writes every item', async () => {
    const json = project.path('evaluation.json');
    expect(
      await main(['evaluate', '--config', write('e.yaml', { ...config(), model: project.tts }), '--json', json]),
    ).toBe(0);
    expect(printed[0]).toBe(`\n${project.validation}: model, 6 texts, 2 seeds`);
    expect(printed.join('\n')).toMatch(/ {2}cerCumulative +\d\.\d{4} {2}\[\d\.\d{4}, \d\.\d{4}\]/);
    const { results } = JSON.parse(readFileSync(json, 'utf8'));
    const { summary, items } = results[project.validation].model;
    expect(items).toHaveLength(12);
    const mean =
      items.reduce(
        (sum: number, { cerErrors, cerLength }: Record<string, number>) => sum + cerErrors! / cerLength!,
        0,
      ) / 12;
    expect(summary.cer.mean).toBeCloseTo(mean, 10);
    expect(summary.cer.low).toBeLessThanOrEqual(mean);
    expect(summary.cer.high).toBeGreaterThanOrEqual(mean);
  });

  it('judges recordings where no model is named', async () => {
    expect(await main(['evaluate', '--config', write('r.yaml', config())])).toBe(0);
    expect(printed.filter((line) => line.startsWith('\n'))).toEqual([
      `\n${project.validation}: recording, 6 texts, 1 seeds`,
      `\n${project.validation}: resynthesis, 6 texts, 1 seeds`,
    ]);
  });

  it('refuses a model of other codes before anything is said', async () => {
    const other = await writeTts(project.path('other'), { codebooks: 3 });
    expect(await main(['evaluate', '--config', write('o.yaml', { ...config(), model: other })])).toBe(1);
    expect(printed).toEqual([expect.stringContaining('other: codes: expected 2 codebooks of 9 codes')]);
  });
});

describe('synthesize', () => {
  const args = (...more: string[]) => {
    const files = {
      '--model': project.tts,
      '--codec': project.codec,
      '--voice': project.path('train/0.wav'),
      '--out': project.path('said.wav'),
    };
    return ['synthesize', ...Object.entries(files).flat(), ...more];
  };

  it('writes speech at the rate of the codec, the same for the same seed', async () => {
    const say = async (seed: string) => {
      expect(await main(args('--ipa', 'abeda', '--seed', seed, '--max-frames', '20', '--temperature', '1'))).toBe(0);
      return readWav(project.path('said.wav'));
    };
    const [first, again, other] = [await say('1'), await say('1'), await say('2')];
    expect(first.sampleRate).toBe(8000);
    expect(first.samples.length % 512).toBe(0);
    expect(again).toEqual(first);
    expect(other.samples).not.toEqual(first.samples);
    expect(printed[0]).toMatch(/said\.wav: \d\.\d\d s( \(cut off: it did not end by itself\))?$/);
  });

  it('speaks no longer than the model has room for, in bf16 too', async () => {
    expect(await main(args('--ipa', 'abeda'))).toBe(0);
    expect(await main(args('--ipa', 'abeda', '--bf16'))).toBe(0);
  });

  it.each([
    ['no text', [], 1, /synthesize: text: expected --ipa, or --text with --lang, got neither --text nor --ipa/],
    ['a text without a language', ['--text', 'olá'], 1, /got --text without --lang/],
    ['a voice that is not there', ['--ipa', 'a', '--voice', '/none.wav'], 1, /\/none\.wav: file: .*ENOENT/],
    ['a codec in place of the model', ['--ipa', 'a', '--model', 'CODEC'], 1, /kind: expected tts, got codec/],
  ] as const)('refuses %s', async (_, more, code, message) => {
    expect(await main(args(...more.map((part) => (part === 'CODEC' ? project.codec : part))))).toBe(code);
    expect(printed.at(-1)).toMatch(message);
  });

  it.each([
    ['--seed', 'x'],
    ['--temperature', '-1'],
    ['--max-frames', '2.5'],
    ['--guidance', '0.5'],
  ])('refuses %s %s', async (option, value) => {
    const said: string[] = [];
    vi.mocked(process.stderr.write).mockImplementation((text) => Boolean(said.push(String(text))));
    expect(await main(args('--ipa', 'a', option, value))).toBe(2);
    expect(said.join('')).toMatch(new RegExp(`option '${option} <.*' argument '${value}' is invalid. expected a`));
  });
});
