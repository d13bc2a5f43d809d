import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeWav } from '@align2speak/audio';
import { DataError } from '@align2speak/contracts';
import { readManifest, readPrompts, type Utterance, validateManifest, writeManifest } from '@align2speak/data';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writePrompts } from '../src/manifest.js';

let folder = '';
const at = (name: string) => join(folder, name);
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'data-'));
  mkdirSync(at('wav'));
  const tone = (hz: number, seconds: number, level = 0.3) =>
    encodeWav(
      Float32Array.from({ length: seconds * 8000 }, (_, i) => level * Math.sin((hz * i) / 1000)),
      8000,
    );
  writeFileSync(at('wav/a.wav'), tone(300, 1));
  writeFileSync(at('wav/b.wav'), tone(400, 1));
  writeFileSync(at('wav/copy.wav'), tone(300, 1));
  writeFileSync(at('wav/short.wav'), tone(300, 0.2));
  writeFileSync(at('wav/long.wav'), tone(300, 21));
  writeFileSync(at('wav/silent.wav'), tone(300, 1, 0.0005));
  writeFileSync(at('wav/cut.wav'), tone(300, 1).subarray(0, 1000));
});
afterAll(() => rmSync(folder, { recursive: true }));

const good = { audio_filepath: 'wav/a.wav', text: 'bom dia', ipa: 'bˈom', duration: 1, speaker: 's', lang: 'pt' };
/** A manifest of these lines; what is no string is written as JSON. */
function manifest(...lines: unknown[]): string {
  const path = at('m.jsonl');
  writeFileSync(path, lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'));
  return path;
}

describe('readManifest', () => {
  it('reads what writeManifest wrote', async () => {
    const word = fc.stringMatching(/^[a-zˈɐ]{1,9}$/u);
    const duration = fc.integer({ min: 1, max: 99_999 }).map((n) => n / 1000);
    const utterance = fc
      .record({ name: word, text: word, ipa: word, durationSec: duration, speaker: word, lang: word })
      .map(({ name, ...rest }): Utterance => ({ ...rest, audioPath: at(`wav/${name}.wav`) }));
    await fc.assert(
      fc.asyncProperty(fc.array(utterance, { minLength: 1 }), async (utterances) => {
        await writeManifest(at('w.jsonl'), utterances);
        expect(await readManifest(at('w.jsonl'))).toEqual(utterances);
      }),
      { numRuns: 20 },
    );
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });
  it('pronounces lines without ipa, ignores unknown fields, empty lines and a byte order mark', async () => {
    const { ipa: _, ...bare } = good;
    const path = manifest(`\uFEFF${JSON.stringify({ ...bare, offset: 0 })}`, '', good);
    const read = await readManifest(path, { phonemize: async (text, lang) => `${lang}:${text}` });
    expect(read.map(({ ipa }) => ipa)).toEqual(['pt:bom dia', 'bˈom']);
    expect(read[0]!.audioPath).toBe(at('wav/a.wav'));
    await expect(readManifest(path)).rejects.toThrow(/m\.jsonl:1: ipa: expected a string, got nothing\nhint/);
  });
  it.each<[string, unknown[], RegExp]>([
    ['bad JSON', [good, '{'], /m\.jsonl:2: line: expected JSON, got/],
    ['no object', ['[1]'], /:1: line: expected a JSON object/],
    [
      'a missing field',
      [{ ...good, text: undefined }],
      /:1: text: expected a string, got nothing\nhint: align2speak data validate/,
    ],
    ['a wrong type', [{ ...good, duration: '1' }], /:1: duration: expected a number, got "1"/],
    ['no duration', [{ ...good, duration: 0 }], /:1: duration: expected seconds above 0, got 0/],
    ['an empty ipa', [{ ...good, ipa: ' ' }], /:1: ipa: expected a text that is not empty/],
    ['nothing', [''], /m\.jsonl: manifest: expected at least one line, got none/],
  ])('refuses %s by line and field', async (_, lines, message) => {
    const refusal = expect(readManifest(manifest(...lines))).rejects;
    await refusal.toThrow(message);
    await expect(readManifest(manifest(...lines))).rejects.toBeInstanceOf(DataError);
  });
  it('refuses a file that is not there', () => expect(readManifest(at('none'))).rejects.toThrow(/none: .*ENOENT/));
});

describe('validateManifest', () => {
  it('finds nothing wrong with a good one', async () => {
    const others = [{ ...good, audio_filepath: 'wav/b.wav', lang: 'xx' }];
    expect(await validateManifest(manifest(good, ...others))).toEqual([]);
  });
  it.each<[string, object, string, RegExp]>([
    ['missing audio', { audio_filepath: 'wav/none.wav' }, 'audio_filepath', /ENOENT/],
    ['damaged audio', { audio_filepath: 'wav/cut.wav' }, 'audio_filepath', /'data' of at most .* at byte 40/],
    ['another duration', { duration: 1.2 }, 'duration', /1\.000 s/],
    ['an unknown language without ipa', { lang: 'xx', ipa: undefined }, 'lang', /one of .*'xx' without ipa/],
    ['ipa of marks alone', { ipa: ', .' }, 'ipa', /at least one phoneme/],
    ['Latin text labelled hi', { lang: 'hi' }, 'text', /Devanagari letters for 'hi'.*bom dia/],
    ['Hindi text labelled pt-BR', { lang: 'pt-BR', text: 'नमस्ते दुनिया' }, 'text', /Latin/],
    ['a text of marks', { text: '...' }, 'text', /letters or digits/],
    ['too little audio', { audio_filepath: 'wav/short.wav', duration: 0.2 }, 'audio_filepath', /0\.3 to 20 s.*0\.200/],
    ['too much', { audio_filepath: 'wav/long.wav', duration: 21 }, 'audio_filepath', /0\.3 to 20 s.*21\.000/],
    ['silence', { audio_filepath: 'wav/silent.wav' }, 'audio_filepath', /speech .*a level of 0\.00035/],
    ['a wrong type', { speaker: 7 }, 'speaker', /a string.*7/],
  ])('names %s', async (_, change, field, message) => {
    const [problem, ...more] = await validateManifest(manifest('', { ...good, ...change }));
    expect(more).toEqual([]);
    expect(problem).toMatchObject({ line: 2, field });
    expect(`${problem!.expected} ${problem!.got}`).toMatch(message);
  });
  it('names recordings that come twice, by another name too, and every problem of every line', async () => {
    const copy = { ...good, audio_filepath: 'wav/copy.wav', duration: 3 };
    const problems = await validateManifest(manifest(good, good, 'x', copy));
    expect(problems.map(({ line, field }) => `${line} ${field}`)).toEqual([
      '2 audio_filepath',
      '3 line',
      '4 audio_filepath',
      '4 duration',
    ]);
    expect(problems[0]!.got).toBe('that of line 1');
  });
});

it('prompts are read as they were written, and refused by line and field', async () => {
  const prompts = [{ text: 'oi', ipa: 'ˈoɪ', lang: 'pt' }];
  await writePrompts(at('p.jsonl'), prompts);
  expect(await readPrompts(at('p.jsonl'))).toEqual(prompts);
  await expect(readPrompts(manifest({ text: 'oi', lang: 'pt' }))).rejects.toThrow(/:1: ipa: expected a string/);
  await expect(readPrompts(manifest('{'))).rejects.toThrow(/:1: line: expected JSON/);
  await expect(readPrompts(manifest('null'))).rejects.toThrow(/:1: text: /);
});
