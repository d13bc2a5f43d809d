import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CancelledError, RewardError } from '@align2speak/contracts';
import {
  cerReward,
  type Judge,
  judgeToOnnx,
  loadReward,
  openJudge,
  qualityReward,
  type Reward,
  type RewardBatch,
  scoreAll,
  ssimReward,
} from '@align2speak/rewards';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { randomWeights, signal, smallConfig } from './network.js';

const sampleRate = 22050;
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rewards-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** A batch of `count` usable samples; voices take turns. */
function batchOf(count: number, change: Partial<RewardBatch> = {}): RewardBatch {
  const wavs = Array.from({ length: count }, (_, i) => signal(i, 3000 + 100 * i));
  const reference = (i: number) => ({ ipa: 'ˈaba', lang: 'pt', voice: `v${i % 2}`, voiceWav: signal(i % 2, 5000) });
  return { wavs, sampleRate, references: wavs.map((_, i) => reference(i)), ...change };
}

const rewardOf = (score: Reward['score'], change: Partial<Reward> = {}): Reward => ({
  name: 'x',
  direction: 'higher',
  range: [0, 1],
  score,
  ...change,
});

/** A judge that says what it is told to, in place of a network. */
function fakeJudge<Kind extends 'recogniser' | 'quality'>(kind: Kind, run: Judge<Kind>['run']): Judge<Kind> {
  return { info: { name: 'fake', kind, sampleRate, leastSamples: 100 }, run, close: async () => {} };
}

describe('scoreAll', () => {
  it('scores by all rewards at once', async () => {
    let running = 0;
    const meeting = rewardOf(async ({ wavs }) => {
      running++;
      await vi.waitFor(() => expect(running).toBe(2));
      return Float64Array.from(wavs, (wav) => wav.length / 10_000);
    });
    const { values, failures, unusable } = await scoreAll([meeting, { ...meeting, name: 'y' }], batchOf(3));
    expect(values).toEqual({ x: Float64Array.of(0.3, 0.31, 0.32), y: Float64Array.of(0.3, 0.31, 0.32) });
    expect(failures).toEqual({});
    expect(unusable).toBeUndefined();
  });

  it('keeps samples that cannot be judged from the rewards', async () => {
    const { wavs } = batchOf(6);
    const hurt = [...wavs];
    hurt[0] = new Float32Array(4000).fill(5e-5);
    hurt[2] = signal(1, 2204);
    hurt[3] = signal(1, 4000).fill(Number.NaN, 7, 8);
    hurt[5] = signal(1, 4000).fill(Number.POSITIVE_INFINITY, 7, 8);
    const score = vi.fn(async (batch: RewardBatch) => Float64Array.from(batch.wavs, (wav) => wav.length / 10_000));
    const { values, failures, unusable } = await scoreAll([rewardOf(score)], batchOf(6, { wavs: hurt }));
    const none = Number.NaN;
    expect(values.x).toEqual(Float64Array.of(none, 0.31, none, none, 0.34, none));
    expect(failures).toEqual({});
    expect(unusable).toEqual({ count: 4, first: 'sample 0: silent, rms below 0.0001' });
    expect(score.mock.calls[0]![0].references).toHaveLength(2);
  });

  it('asks no reward where nothing can be judged', async () => {
    const score = vi.fn(async () => new Float64Array(0));
    const { values } = await scoreAll([rewardOf(score)], batchOf(2, { wavs: [signal(1, 5), signal(2, 5)] }));
    expect(values.x).toEqual(Float64Array.of(Number.NaN, Number.NaN));
    expect(score).not.toHaveBeenCalled();
  });

  const all = Float64Array.of(Number.NaN, Number.NaN, Number.NaN);
  it.each<[string, Reward['score'], Float64Array, number, RegExp]>([
    ['throws', () => Promise.reject(new Error('no model')), all, 3, /^no model$/],
    [
      'throws before it is asynchronous',
      () => {
        throw new TypeError('oops');
      },
      all,
      3,
      /^oops$/,
    ],
    ['gives too few values', async () => Float64Array.of(1), all, 3, /x: score: expected a Float64Array of 3, got 1/],
    ['gives an array', async () => [1, 1, 1] as never, all, 3, /expected a Float64Array of 3, got object/],
    ['gives parts alone', async () => ({ parts: [] }) as never, all, 3, /expected a Float64Array of 3, got undefined/],
    [
      'gives too few parts',
      async () => ({ scores: Float64Array.of(1, 1, 1), parts: [] }),
      all,
      3,
      /expected parts of 3 samples, got 0/,
    ],
    [
      'gives parts that are none',
      async () => {
        const parts = { values: Float64Array.of(1), places: Float64Array.of(0.5) };
        return {
          scores: Float64Array.of(1, 1, 1),
          parts: [parts, { ...parts, places: Float64Array.of(Number.NaN) }, {}],
        } as never;
      },
      Float64Array.of(1, Number.NaN, Number.NaN),
      2,
      /x: sample 1: expected parts with as many finite places as values/,
    ],
    [
      'gives no parts',
      async () => Float64Array.of(1, 1, 1),
      all,
      3,
      /x: score: expected parts as locates says, got none/,
    ],
    [
      'locates unasked',
      async () => ({ scores: Float64Array.of(1, 1, 1), parts: [] }),
      all,
      3,
      /x: score: expected no parts as locates says, got parts/,
    ],
    ['gives nothing', async () => undefined as never, all, 3, /got undefined/],
    [
      'gives NaN',
      async () => Float64Array.of(1, Number.NaN, 0),
      Float64Array.of(1, Number.NaN, 0),
      1,
      /x: sample 1: .*got NaN/,
    ],
    [
      'leaves its range',
      async () => Float64Array.of(-0.1, 0.5, 1.1),
      Float64Array.of(Number.NaN, 0.5, Number.NaN),
      2,
      /x: sample 0: expected 0 to 1, got -0.1/,
    ],
  ])('goes on where a reward %s, and counts', async (what, score, expected, count, first) => {
    const sound = rewardOf(async () => Float64Array.of(1, 1, 1), { name: 'sound' });
    const { values, failures } = await scoreAll(
      [rewardOf(score, { locates: what.includes('parts') }), sound],
      batchOf(3),
    );
    expect(values).toEqual({ x: expected, sound: Float64Array.of(1, 1, 1) });
    expect(failures).toEqual({ x: { count, first: expect.stringMatching(first) } });
  });

  it('refuses calls that make no sense, and stops at a signal', async () => {
    const sound = rewardOf(async () => Float64Array.of(1));
    await expect(scoreAll([sound, sound], batchOf(1))).rejects.toThrow(/x: expected a name of its own/);
    await expect(scoreAll([sound], batchOf(1, { references: [] }))).rejects.toThrow(RewardError);
    await expect(scoreAll([sound], batchOf(1, { signal: AbortSignal.abort() }))).rejects.toThrow(CancelledError);
  });
});

describe('rewards by judges', () => {
  it('cer: clips, and has no value without a reference', async () => {
    const heard = ['aba', 'ab', 'bababababa', 'aba'];
    const transcripts = heard.map((text) => ({ text, places: Array.from(text, (_, i) => (i + 1) / 20) }));
    const reward = cerReward(fakeJudge('recogniser', async () => transcripts));
    const { references } = batchOf(4);
    const batch = batchOf(4, { references: [...references.slice(0, 3), { ...references[3]!, ipa: '.' }] });
    const { values, parts } = await scoreAll([reward], batch);
    expect(values.cer).toEqual(Float64Array.of(0, 1 / 3, 1, Number.NaN));
    expect(parts.cer![1]).toEqual({ values: Float64Array.of(0, 0, 1), places: Float64Array.of(0.05, 0.1, 0.55) });
    expect(parts.cer![3]).toBeUndefined();
  });

  it('quality: as the judge says', async () => {
    const reward = qualityReward(fakeJudge('quality', async () => [0.25, 0.5]));
    expect(await reward.score(batchOf(2))).toEqual(Float64Array.of(0.25, 0.5));
  });

  it('ssim: 1 for the prompt itself, each prompt embedded once, none for one that is silent', async () => {
    const config = smallConfig({ kind: 'speaker', dim: 7, speakers: 5 });
    const path = join(folder, 'speaker.onnx');
    await writeFile(path, judgeToOnnx(config, randomWeights(config, 1), { name: 's' }));
    const judge = await openJudge(path, { kind: 'speaker' });
    const run = vi.fn(judge.run);
    const reward = ssimReward({ ...judge, run });
    const { references } = batchOf(3);
    const silent = { ...references[2]!, voice: 'silent', voiceWav: new Float32Array(9000) };
    const batch = batchOf(3, {
      wavs: [references[0]!.voiceWav, references[0]!.voiceWav, signal(3, 4000)],
      references: [references[0]!, references[1]!, silent],
    });
    const [same, other, none] = (await reward.score(batch)) as Float64Array;
    expect(same).toBeCloseTo(1, 5);
    expect(other).toBeLessThan(0.9999);
    expect(none).toBeNaN();
    await reward.score(batch);
    // Prompts v0 and v1, each alone, then only the samples.
    expect(run.mock.calls.map(([wavs]) => wavs.length)).toEqual([1, 1, 3, 3]);
    await reward.close?.();
    await expect(judge.run([signal(1, 5000)])).rejects.toThrow(RewardError);
  });

  it('refuse samples at another rate', async () => {
    const reward = qualityReward(fakeJudge('quality', async () => []));
    await expect(reward.score(batchOf(1, { sampleRate: 16_000 }))).rejects.toThrow(
      /fake: sampleRate: expected 22050 Hz, got 16000/,
    );
  });
});

describe('loadReward', () => {
  async function load(source: string, name = 'reward.mjs'): Promise<Reward> {
    // A new folder each time: Node remembers modules by their path.
    const path = join(await mkdtemp(join(folder, 'r-')), name);
    await writeFile(path, source);
    return loadReward(path, { sampleRate });
  }
  const reward = (fields: string) =>
    `export default () => ({ name: 'mine', direction: 'lower', range: [0, 1], score: async () => new Float64Array(1), ${fields} })`;

  it('makes a reward with its context', async () => {
    const made = await load(
      `export default async ({ openJudge, sampleRate }) =>
        ({ name: typeof openJudge, direction: 'higher', range: [0, sampleRate], score: async () => Float64Array.of(7) })`,
    );
    expect(made).toMatchObject({ name: 'function', range: [0, sampleRate] });
    expect((await scoreAll([made], batchOf(1))).values).toEqual({ function: Float64Array.of(7) });
  });

  it('loads the example', async () => {
    const example = await loadReward(fileURLToPath(new URL('../examples/duration-reward.js', import.meta.url)), {
      sampleRate,
    });
    const wav = (sec: number) => signal(1, Math.round(sec * sampleRate));
    const { values } = await scoreAll(
      [example],
      batchOf(3, { wavs: [wav(0.225), wav(0.45), wav(0.225 * Math.SQRT2)] }),
    );
    expect(values.duration![0]).toBeCloseTo(1, 3);
    expect(values.duration![1]).toBeCloseTo(0, 3);
    expect(values.duration![2]).toBeCloseTo(0.5, 3);
  });

  it.each([
    ['other files', 'x', /reward.py: file: expected a name in .js or .mjs/, 'reward.py'],
    [
      'files that do not parse',
      'export default (',
      /reward.mjs: file: expected a module that can be imported, got /,
      undefined,
    ],
    ['files without an export', 'const a = 1;', /default export: expected a function .*got undefined/, undefined],
    [
      'functions that throw',
      `export default () => { throw new Error('no key') }`,
      /default export: .* got no key/,
      undefined,
    ],
    ['functions that make nothing', 'export default () => null', /reward: expected an object, got null/, undefined],
    ['bad names', reward(`name: 'a b'`), /name: expected letters, digits, _ and -, got "a b"/, undefined],
    ['bad directions', reward(`direction: 'up'`), /direction: expected 'higher' or 'lower', got "up"/, undefined],
    ['bad ranges', reward('range: [1, 0]'), /range: expected two numbers, .*got \[1,0\]/, undefined],
    ['open ranges', reward('range: [0, Infinity]'), /range: /, undefined],
    ['no score', reward('score: 1'), /score: expected a function, got 1/, undefined],
    ['a doubt where', reward("locates: 'no'"), /locates: expected true, false or nothing, got "no"/, undefined],
    ['bad docs', reward('docs: 1'), /docs: expected a text or nothing/, undefined],
    ['bad closers', reward('close: 1'), /close: expected a function or nothing/, undefined],
  ])('refuses %s', async (_, source, message, name) => {
    const loaded = load(source, name);
    await expect(loaded).rejects.toThrow(RewardError);
    await expect(loaded).rejects.toThrow(message);
  });

  it('refuses files that are not there', async () => {
    await expect(loadReward(join(folder, 'none.mjs'), { sampleRate })).rejects.toThrow(
      /none.mjs: file: expected a module/,
    );
  });
});
