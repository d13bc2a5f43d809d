import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readWav } from '@align2speak/audio';
import { CancelledError } from '@align2speak/contracts';
import {
  type CorpusSummary,
  readManifest,
  readPrompts,
  type SynthOptions,
  synthesizeCorpus,
  validateManifest,
} from '@align2speak/data';
import { Phonemizer } from '@align2speak/text';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let root = '';
const folder = () => join(root, 'one');
const small = { scale: 0.01, source: ['es'], target: ['hi'] };
let summary: CorpusSummary;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'synth-'));
  summary = await synthesizeCorpus({ out: folder(), ...small });
}, 120_000);
afterAll(() => rmSync(root, { recursive: true }));

/** Digest of every file of a folder, by its name. */
function digests(path: string): Record<string, string> {
  const files = readdirSync(path, { recursive: true, encoding: 'utf8' }).filter((name) =>
    statSync(join(path, name)).isFile(),
  );
  const digest = (name: string) =>
    createHash('sha256')
      .update(readFileSync(join(path, name)))
      .digest('hex');
  return Object.fromEntries(files.sort().map((name) => [name, digest(name)]));
}

describe('a corpus', () => {
  it('has manifests that training accepts, and a summary of them', async () => {
    const names = ['es', 'hi'].flatMap((lang) =>
      ['train', 'validation', 'test'].map((split) => `${split}/${lang}.jsonl`),
    );
    expect(summary.manifests.map(({ manifest }) => manifest)).toEqual(names);
    for (const { manifest, utterances, seconds } of summary.manifests) {
      expect(await validateManifest(join(folder(), manifest)), manifest).toEqual([]);
      const read = await readManifest(join(folder(), manifest));
      expect(read.length).toBe(utterances);
      expect(read.reduce((sum, { durationSec }) => sum + durationSec, 0)).toBeCloseTo(seconds, 0);
    }
    expect(summary.manifests[0]!.seconds).toBeGreaterThanOrEqual(15);
    expect(summary.manifests[3]!.seconds).toBeGreaterThanOrEqual(27);
    expect(summary.manifests.map(({ utterances }) => utterances).filter((_, i) => i % 3 > 0)).toEqual([1, 2, 1, 2]);
  });
  it('has audio of 1 to 3.5 s in whole codec frames, peak 0.7, trimmed', async () => {
    for (const { audioPath, durationSec } of await readManifest(join(folder(), 'train/hi.jsonl'))) {
      const { samples, sampleRate } = await readWav(audioPath);
      expect(sampleRate).toBe(22050);
      expect(samples.length % 1024).toBe(0);
      expect(durationSec).toSatisfy((seconds: number) => seconds >= 1 && seconds <= 3.5);
      expect(samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0)).toBeCloseTo(0.7, 3);
      const loud = (sample: number) => Math.abs(sample) > 255 / 32768;
      expect(samples.findIndex(loud)).toBeLessThanOrEqual(420);
      expect(samples.findLastIndex(loud)).toBeGreaterThanOrEqual(samples.length - 900 - 1024 - 20);
    }
  });
  it('says in IPA what the phonemizer says', async () => {
    const phonemizer = new Phonemizer();
    try {
      for (const { text, ipa, lang } of await readManifest(join(folder(), 'train/es.jsonl')))
        expect(ipa).toBe(await phonemizer.phonemize(text, lang));
    } finally {
      phonemizer.close();
    }
  });
  it('has disjoint splits, a small subset and prompts', async () => {
    const [train, test] = await Promise.all(
      ['train', 'test'].map((split) => readManifest(join(folder(), split, 'hi.jsonl'))),
    );
    const prompts = await readPrompts(join(folder(), 'train/hi.texts.jsonl'));
    const subset = await readManifest(join(folder(), 'train/hi.small.jsonl'));
    expect(prompts.length).toBe(20);
    expect(subset).toEqual(train!.slice(0, subset.length));
    expect(subset.length).toBeLessThan(train!.length);
    const texts = [...train!, ...prompts, ...test!].map(({ text }) => text);
    expect(new Set(texts).size).toBe(texts.length);
    expect(train!.filter(({ speaker }) => test!.some((other) => other.speaker === speaker))).toEqual([]);
    expect(existsSync(join(folder(), 'train/es.small.jsonl'))).toBe(false);
  });
});

describe('making it again', () => {
  it('gives the same bytes, with another number of workers and after an interruption', async () => {
    const out = join(root, 'two');
    const stop = new AbortController();
    const stopped = synthesizeCorpus({ out, ...small, signal: stop.signal, onProgress: () => stop.abort() });
    await expect(stopped).rejects.toBeInstanceOf(CancelledError);
    expect(JSON.parse(readFileSync(join(out, 'corpus.json'), 'utf8')).manifests).toEqual([]);
    await synthesizeCorpus({ out, ...small, workers: 1 });
    expect(digests(out)).toEqual(digests(folder()));
  });
  it('adds languages to a corpus, and goes on after the last manifest', async () => {
    const out = join(root, 'added');
    const first = await synthesizeCorpus({ out, ...small, target: [] });
    expect(first.manifests).toEqual(summary.manifests.slice(0, 3));
    const names = () => {
      const { manifests }: CorpusSummary = JSON.parse(readFileSync(join(out, 'corpus.json'), 'utf8'));
      return manifests.map(({ manifest }) => manifest);
    };
    const stop = new AbortController();
    const totals = new Set<number>();
    const onProgress: SynthOptions['onProgress'] = ({ totalSec }) => {
      totals.add(totalSec);
      if (names().includes('train/hi.jsonl')) stop.abort();
    };
    const stopped = synthesizeCorpus({ out, ...small, workers: 1, signal: stop.signal, onProgress });
    await expect(stopped).rejects.toBeInstanceOf(CancelledError);
    expect([...totals]).toEqual([27 + 2 * 2 + 2]);
    expect(names()).toEqual(summary.manifests.slice(0, 4).map(({ manifest }) => manifest));
    const before = statSync(join(out, 'train/hi.jsonl')).mtimeMs;
    expect(await synthesizeCorpus({ out, ...small })).toEqual(summary);
    expect(statSync(join(out, 'train/hi.jsonl')).mtimeMs).toBe(before);
    expect(digests(out)).toEqual(digests(folder()));
    // What is there needs no more, and takes no other role.
    expect(await synthesizeCorpus({ out, ...small, source: [] })).toEqual(summary);
    await expect(synthesizeCorpus({ out, ...small, source: ['hi'], target: [] })).rejects.toThrow(/hi in one role/);
  });
  it('gives others from another seed', async () => {
    const out = join(root, 'three');
    await synthesizeCorpus({ out, ...small, target: [], seed: 2 });
    expect(digests(out)['train/es.jsonl']).not.toBe(digests(folder())['train/es.jsonl']);
  });
  it('keeps a complete one, and refuses to write over another or over anything else', async () => {
    const before = digests(folder());
    expect(await synthesizeCorpus({ out: folder(), ...small })).toEqual(summary);
    await expect(synthesizeCorpus({ out: folder(), ...small, seed: 2 })).rejects.toThrow(
      /one: folder: expected a corpus of seed 2, .*got seed 1, .*hint/s,
    );
    expect(digests(folder())).toEqual(before);
    writeFileSync(join(root, 'mine'), 'x');
    await expect(synthesizeCorpus({ out: root, ...small })).rejects.toThrow(/expected a new or empty one/);
    expect(existsSync(join(root, 'mine'))).toBe(true);
  });
});

it('makes speech for judges, an invented voice for every utterance, the same each time', async () => {
  const settings = { scale: 0.002, source: [], target: ['hi'], judges: true };
  const [first, second] = [join(root, 'judges-1'), join(root, 'judges-2')];
  const { manifests } = await synthesizeCorpus({ out: first, ...settings });
  const names = manifests.map(({ manifest }) => manifest);
  expect(names.filter((name) => /judges|invented/.test(name))).toEqual(['judges/hi.jsonl', 'invented/hi.jsonl']);
  const spoken = await readManifest(join(first, 'invented/hi.jsonl'));
  expect(spoken.length).toBeGreaterThan(3);
  expect(new Set(spoken.map(({ speaker }) => speaker)).size).toBe(spoken.length);
  await synthesizeCorpus({ out: second, ...settings });
  expect(digests(second)).toEqual(digests(first));

  // Added later, it is the same.
  const third = join(root, 'judges-3');
  await synthesizeCorpus({ out: third, ...settings, judges: false });
  await synthesizeCorpus({ out: third, ...settings });
  expect(digests(third)).toEqual(digests(first));
});

it.each(['{', '{}', '[]', '{"version":2,"options":{"seed":3,"scale":1},"manifests":[]}'])(
  'names a damaged summary: %s',
  async (text) => {
    const out = join(mkdtempSync(join(root, 'summary-')), 'damaged');
    mkdirSync(out);
    writeFileSync(join(out, 'corpus.json'), text);
    await expect(synthesizeCorpus({ out, ...small })).rejects.toThrow(/damaged: folder: .*a damaged one/);
  },
);

it.each<[string, Partial<SynthOptions>, RegExp]>([
  ['an unknown language', { target: ['xx'] }, /language: expected one of de, .*'xx'/],
  ['a language twice', { source: ['hi'] }, /languages: expected each once/],
  ['none', { source: [], target: [] }, /languages: expected at least one/],
  ['a scale of nothing', { scale: 0 }, /scale: /],
  ['a broken seed', { seed: Number.NaN }, /seed: .*NaN/],
  ['no workers', { workers: 0 }, /workers: /],
])('refuses %s before anything is written', async (_, change, message) => {
  const out = join(root, 'never');
  await expect(synthesizeCorpus({ out, ...small, ...change })).rejects.toThrow(message);
  expect(existsSync(out)).toBe(false);
});
