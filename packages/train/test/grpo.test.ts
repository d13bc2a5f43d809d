import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseConfig } from '@align2speak/contracts';
import { readModelFolder } from '@align2speak/weights';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { grpoTraining } from '../src/grpo-config.js';
import { grpoStage } from '../src/grpo-stage.js';
import { Phases, type Stage } from '../src/loop.js';
import { lossMask } from '../src/rollouts.js';
import { configsOf, makeProject, type Project, writeTts } from './fixtures/project.js';
import { metricsOf, runQuietly, writeConfig } from './fixtures/runs.js';

let project: Project;
beforeAll(async () => {
  project = await makeProject();
});
afterAll(() => project.remove());

/** A reward of one's own: `body` gives the scores of `wavs`. @returns its file. */
function plugIn(name: string, body: string, direction = 'higher'): string {
  const path = project.path(`${name}.mjs`);
  const score = `locates: ${body.includes('parts')}, async score({ wavs, references }) { ${body} }`;
  writeFileSync(
    path,
    `export default () => ({ name: '${name}', direction: '${direction}', range: [0, 10], ${score} });\n`,
  );
  return path;
}
const seconds = 'return Float64Array.from(wavs, ({ length }) => length / 8000);';
const loudness =
  'return Float64Array.from(wavs, (wav) => Math.min(10, 9 * wav.reduce((s, x) => s + Math.abs(x), 0) / wav.length));';

/** How a test's stage moves weights within an update. */
type Move = (stage: Stage) => Promise<unknown>;
const neverMoves: Move = () => {
  throw new Error('expected an update of one iteration');
};

/** The first update of a run: its metrics, whether it taught nothing, and the gradients. */
async function firstStep(changes: object, move = neverMoves) {
  const config = parseConfig(grpoTraining, { ...configsOf(project).grpo, ...changes }, 'test');
  const stage = await grpoStage(config);
  const errors = vi.spyOn(console, 'error').mockReturnValue();
  try {
    const { metrics, skip } = await stage.step(0, new Phases(), true, () => move(stage));
    const grads: Grads = {};
    for (const [name, tensor] of Object.entries(await stage.model.gradients()))
      grads[name] = (await tensor.toArray()) as Float32Array;
    return { metrics, skip, grads, said: errors.mock.calls.flat().join('\n') };
  } finally {
    errors.mockRestore();
    await stage.close!();
    stage.model.dispose();
  }
}

type Grads = Record<string, Float32Array>;

const isZero = (grads: Grads) => Object.values(grads).every((grad) => grad.every((value) => value === 0));

/** Largest difference of two sets of gradients, as a share of the largest gradient. */
function distance(a: Grads, b: Grads): number {
  let [most, gap] = [0, 0];
  for (const [name, grad] of Object.entries(a))
    grad.forEach((value, i) => {
      most = Math.max(most, Math.abs(value));
      gap = Math.max(gap, Math.abs(value - b[name]![i]!));
    });
  return gap / most;
}

describe('iterations', () => {
  it('learn from the same rollouts again: as before, where nothing moved', async () => {
    const moves: number[] = [];
    const again = await firstStep({ iterations: 3 }, (stage) => {
      moves.push(1);
      return stage.model.zeroGrad();
    });
    expect(moves).toHaveLength(2);
    const once = await firstStep({});
    expect(distance(again.grads, once.grads)).toBeLessThan(1e-5);
    expect(again.metrics).toMatchObject({ 'policy/moved': 0, 'policy/clipped': 0 });
    expect(again.metrics['policy/loss']).toBe(once.metrics['policy/loss']);
  });

  it('weigh tokens by how much likelier they became, and leave out those that moved too far', async () => {
    const move: Move = async (stage) => {
      await stage.optimizer.step({ lr: 1e-3 });
      await stage.model.zeroGrad();
    };
    const once = await firstStep({});
    const free = await firstStep({ iterations: 2, clip: { low: 0, high: 0 } }, move);
    expect(free.metrics['policy/moved']).toBeGreaterThan(1e-4);
    expect(free.metrics['policy/clipped']).toBe(0);
    expect(distance(free.grads, once.grads)).toBeGreaterThan(1e-4);
    // Wherever the step did what it was meant to, by however little.
    const tight = await firstStep({ iterations: 2, clip: { low: 1e-7, high: 1e-7 } }, move);
    expect(tight.metrics['policy/clipped']).toBeGreaterThan(0.3);
    expect(tight.metrics['policy/logprobGap']).toBe(once.metrics['policy/logprobGap']);
  });

  it('give the same gradient however many samples a pass has', async () => {
    const { prompts, groupSize } = configsOf(project).grpo;
    const whole = await firstStep({ samplesPerPass: prompts * groupSize });
    for (const samplesPerPass of [1, 2 * groupSize]) {
      const { metrics, grads } = await firstStep({ samplesPerPass });
      expect(distance(grads, whole.grads)).toBeLessThan(1e-5);
      expect(metrics['policy/loss']).toBeCloseTo(whole.metrics['policy/loss'] as number, 5);
      expect(metrics['policy/kl']).toBeCloseTo(whole.metrics['policy/kl'] as number, 8);
    }
  });

  it('of an update that teaches nothing move nothing', async () => {
    const rewards = [{ use: plugIn('same', 'return new Float64Array(wavs.length);'), weight: 1 }];
    expect(await firstStep({ rewards, iterations: 2 })).toMatchObject({ skip: true });
  });
});

describe('the divergence from the initial model', () => {
  it.each([
    ['parallel heads', {}],
    ['a local transformer', { localTransformer: { layers: 1, heads: 2, dModel: 8, dFfn: 16, maxPositions: 4 } }],
  ])('is none at first, unless one is guided and the other not, with %s', async (name, changes) => {
    const init = await writeTts(project.path(`reference-${name}`), changes);
    const step = (reference: object, share = 0) => firstStep({ init, reference, guidance: { share, scale: 20 } });
    const plain = await step({ weight: 0 });
    const same = await step({ weight: 1 });
    const guiding = await step({ weight: 1, guidance: 20 });
    const both = await step({ weight: 1, guidance: 20 }, 1);
    expect(plain.metrics).not.toHaveProperty(['policy/kl']);
    expect(same.metrics['policy/kl']).toBe(0);
    expect(distance(same.grads, plain.grads)).toBe(0);
    expect(guiding.metrics['policy/kl']).toBeGreaterThan(1e-6);
    expect(distance(guiding.grads, plain.grads)).toBeGreaterThan(1e-4);
    expect(both.metrics['policy/kl']).toBe(0);
  });
});

describe('likelihoods', () => {
  it.each([
    ['without guidance', { share: 0 }],
    ['with guidance', { share: 1, scale: 2 }],
  ])("are the sampler's %s", async (_, guidance) => {
    const { metrics, grads } = await firstStep({ guidance });
    expect(metrics['policy/logprobGap']).toBeLessThan(1e-4);
    expect(metrics['policy/outsideSupport']).toBe(0);
    expect(metrics.guided).toBe(guidance.share);
    expect(isZero(grads)).toBe(false);
  });

  it('and those of the likeliest ids alone', async () => {
    const init = await writeTts(project.path('ends-early'), {}, 0);
    const guidance = { share: 1, scale: 1.5 };
    const { metrics, grads } = await firstStep({ init, topK: 5, temperature: 0.8, guidance, minFrames: 3 });
    expect(metrics['policy/logprobGap']).toBeLessThan(1e-4);
    expect(metrics['samples/truncated']).toBeLessThan(1);
    expect(isZero(grads)).toBe(false);
  });

  it('and those of stacked frames', async () => {
    const init = await writeTts(project.path('stacked'), { frameStacking: 2 });
    for (const maxFrames of [8, 9]) {
      const { metrics, grads } = await firstStep({ init, maxFrames, guidance: { share: 1, scale: 2 } });
      expect(metrics['policy/logprobGap']).toBeLessThan(1e-4);
      expect(isZero(grads)).toBe(false);
    }
  });

  it('and those of a local transformer, of stacked frames too, with each share of the gradient that of its heads', async () => {
    for (const frameStacking of [1, 2]) {
      const local = { layers: 1, heads: 2, dModel: 8, dFfn: 16, maxPositions: 2 * frameStacking + 2 };
      const init = await writeTts(project.path(`local-${frameStacking}`), { frameStacking, localTransformer: local });
      const { metrics, grads } = await firstStep({ init, guidance: { share: 1, scale: 2 } });
      expect(metrics['policy/logprobGap']).toBeLessThan(1e-4);
      expect(isZero(grads)).toBe(false);
      const head = (row: number) => Math.hypot(...grads[`local_transformer_out_projections.${row}.weight`]!);
      const norms = [0, 1].map((k) => Math.hypot(head(k), frameStacking === 2 ? head(k + 2) : 0));
      for (const k of [0, 1]) expect(metrics[`gradShare/${k}`]).toBeCloseTo(norms[k]! / Math.hypot(...norms), 5);
    }
  });

  it('leave out the end that a cut-off sample never drew, and nothing else', async () => {
    const sample = (frames: number, truncated = false) => ({
      codes: { data: new Int32Array(2 * frames), frames },
      end: new Int32Array(2),
      truncated,
    });
    const samples = [sample(5, true), sample(3), sample(5)];
    const mask = await lossMask(samples, 1);
    expect(mask.shape).toEqual([3, 6]);
    expect([...(await mask.toArray())]).toEqual([1, 1, 1, 1, 1, 0, ...new Array(12).fill(1)]);
    expect((await lossMask(samples, 2)).shape).toEqual([3, 6]);
    expect((await lossMask(samples, 4)).shape).toEqual([3, 8]);
  });
});

describe('rewards', () => {
  it("each codebook's share of the gradient is that of its rows", async () => {
    const { metrics, grads } = await firstStep({});
    const head = grads['final_proj.weight']!;
    const norm = (values: Float32Array) => Math.hypot(...values);
    for (const k of [0, 1])
      expect(metrics[`gradShare/${k}`]).toBeCloseTo(
        norm(head.subarray(k * 16 * 16, (k + 1) * 16 * 16)) / norm(head),
        5,
      );
    expect(metrics.xRealTime).toBeGreaterThan(0);
  });

  it('watches the speech rate: the segments of the texts over the seconds that were spoken', async () => {
    const [short, long] = await Promise.all([8, 24].map(async (maxFrames) => (await firstStep({ maxFrames })).metrics));
    expect(long!['samples/frames']).toBeGreaterThan(short!['samples/frames']!);
    const segments = (metrics: Record<string, number>) =>
      metrics['samples/segmentsPerSec']! * metrics['samples/frames']!;
    expect(segments(short!)).toBeGreaterThan(0);
    expect(segments(long!)).toBeCloseTo(segments(short!), 6);
  });

  it('a plug-in that fails on one sample: that one is masked and counted, and the reason given once', async () => {
    const failing = plugIn(
      'failing',
      'return Float64Array.from(wavs, (wav, i) => (i === 1 ? NaN : wav.length / 8000));',
    );
    const { metrics, said, skip } = await firstStep({
      rewards: [{ use: failing, weight: 1 }],
      promptsPerChunk: 3,
      onLengthFailure: 'mask',
    });
    expect(metrics['failed/failing']).toBe(1);
    expect(metrics['samples/masked']).toBeCloseTo(1 / 12 + metrics['samples/truncated']!, 1);
    expect(
      said.match(/reward failing failed on 1 of 12 samples: failing: sample 1: expected 0 to 10, got NaN/g),
    ).toHaveLength(1);
    expect(skip).toBe(false);
  });

  it('a plug-in that throws: the samples it was given are masked, the others teach', async () => {
    // Chunks of two prompts and of one; only the last has four samples.
    const throwing = plugIn('throwing', `if (wavs.length === 4) throw new Error('no such luck'); ${seconds}`);
    const { metrics, said, skip } = await firstStep({
      rewards: [{ use: throwing, weight: 1 }],
      onLengthFailure: 'group-minimum',
    });
    expect(metrics['failed/throwing']).toBe(4);
    expect(metrics['samples/masked']).toBeCloseTo(4 / 12, 10);
    expect(said).toContain('reward throwing failed on 4 of 4 samples: no such luck');
    expect(skip).toBe(false);
  });

  it('a plug-in that always fails ends the run where it counts, and is only reported where it is watched', async () => {
    const broken = plugIn('broken', "throw new Error('broken');");
    await expect(firstStep({ rewards: [{ use: broken, weight: 1 }] })).rejects.toThrow(
      /rewards: broken: expected a value to measure its mean from, got none among 12/,
    );
    const { metrics } = await firstStep({ rewards: [...configsOf(project).grpo.rewards, { use: broken }] });
    expect(metrics['failed/broken']).toBe(12);
  });

  it('that are all equal teach nothing: the update is skipped and the weights stay', async () => {
    const same = plugIn('same', 'return new Float64Array(wavs.length).fill(1);');
    const changes = {
      rewards: [{ use: same, weight: 1 }],
      onLengthFailure: 'group-minimum',
      weightDecay: 0.1,
      steps: 3,
    };
    const { skip, grads } = await firstStep(changes);
    expect(skip).toBe(true);
    expect(isZero(grads)).toBe(true);
    const out = project.path('same');
    await runQuietly('grpo', { config: writeConfig(project, { ...configsOf(project).grpo, ...changes }), out });
    const [before, after] = await Promise.all(
      [project.tts, join(out, 'last')].map((folder) => readModelFolder(folder, 'tts', z.any())),
    );
    for (const [name, tensor] of Object.entries(before!.tensors))
      expect(await after!.tensors[name]!.toArray()).toEqual(await tensor.toArray());
    for (const line of metricsOf(out).filter((line) => line['groups/valid'] !== undefined))
      expect(line['groups/zeroVariance']).toBe(1);
  });

  it('that are only watched change no weight', async () => {
    const { rewards } = configsOf(project).grpo;
    const watched = plugIn('watched', seconds);
    const [with_, without] = await Promise.all(
      [[...rewards, { use: watched }], rewards.filter(({ weight }) => weight !== undefined)].map((each) =>
        firstStep({ rewards: each }),
      ),
    );
    expect(with_!.metrics['reward/watched']).toBeGreaterThan(0);
    expect(with_!.grads).toEqual(without!.grads);
  });
});

/** The loudness of each quarter of a sample, and where it is. */
const located = `const scores = await (async () => { ${loudness} })();
  const places = Float64Array.of(0.125, 0.375, 0.625, 0.875);
  const quarter = (wav, q) => wav.slice((q * wav.length) / 4, ((q + 1) * wav.length) / 4).reduce((s, x) => s + Math.abs(x), 0) / wav.length;
  return { scores, parts: wavs.map((wav) => ({ values: places.map((_, q) => quarter(wav, q)), places })) };`;

describe('credit of frames', () => {
  it('takes the place of that of whole samples, as far as its share goes', async () => {
    const use = plugIn('located', located);
    const steps = await Promise.all([0, 0.5, 1].map((credit) => firstStep({ rewards: [{ use, weight: 1, credit }] })));
    const [none, half, all] = steps.map(({ grads }) => grads) as [Grads, Grads, Grads];
    expect(isZero(all)).toBe(false);
    expect(distance(none, all)).toBeGreaterThan(0.01);
    const mean = Object.fromEntries(
      Object.entries(none).map(([name, grad]) => [name, grad.map((value, i) => (value + all[name]![i]!) / 2)]),
    );
    expect(distance(mean, half)).toBeLessThan(1e-4);
    expect(steps.map(({ metrics }) => metrics.reward)).toEqual(new Array(3).fill(steps[0]!.metrics.reward));
  });

  it('is refused with rewards that are summed before they are standardised', async () => {
    const rewards = [{ use: 'none.js', weight: 1, credit: 0.5 }];
    await expect(firstStep({ rewards, combine: 'sum-then-centre' })).rejects.toThrow(
      /grpo: combine: expected standardise-each, as a reward credits frames, got sum-then-centre/,
    );
  });

  it('is refused before the first update for a reward that does not know where it was earned', async () => {
    const rewards = [{ use: plugIn('everywhere', seconds), weight: 1, credit: 0.5 }];
    const config = parseConfig(grpoTraining, { ...configsOf(project).grpo, rewards }, 'test');
    await expect(grpoStage(config)).rejects.toThrow(/credit of everywhere: expected a reward that says where/);
  });

  it('a plug-in that throws: the samples it was given get none, the others do', async () => {
    // Chunks of two prompts and of one; only the last has four samples.
    const use = plugIn('located-throwing', `if (wavs.length === 4) throw new Error('no such luck'); ${located}`);
    const { metrics, skip, grads } = await firstStep({ rewards: [{ use, weight: 1, credit: 1 }] });
    expect(metrics['samples/masked']).toBeCloseTo(4 / 12, 10);
    expect(skip).toBe(false);
    expect(isZero(grads)).toBe(false);
  });

  it('a plug-in with too few parts has failed on all of its samples', async () => {
    const use = plugIn('few', 'return { scores: new Float64Array(wavs.length), parts: [] };');
    const { metrics, said } = await firstStep({ rewards: [...configsOf(project).grpo.rewards, { use }] });
    expect(metrics['failed/few']).toBe(12);
    expect(said).toMatch(/few: score: expected parts of [48] samples, got 0/);
  });
});

it.each([0, 1])('how prompts are cut into chunks changes neither samples nor advantages, credit %d', async (credit) => {
  const rewards = [{ use: plugIn(`loudness-${credit}`, located), name: 'loudness', weight: 1, credit }];
  const [one, two, three] = [
    await firstStep({ rewards, promptsPerChunk: 1 }),
    await firstStep({ rewards, promptsPerChunk: 2 }),
    await firstStep({ rewards, promptsPerChunk: 3 }),
  ];
  for (const other of [two, three]) {
    for (const name of ['samples/frames', 'samples/truncated', 'samples/masked', 'groups/valid'])
      expect([name, other.metrics[name]]).toEqual([name, one.metrics[name]]);
    for (const name of ['reward', 'reward/loudness', 'groupStd/loudness', 'bestOfGroup/loudness'])
      expect(other.metrics[name]).toBeCloseTo(one.metrics[name]!, 6);
    expect(distance(one.grads, other.grads)).toBeLessThan(1e-4);
  }
});

describe('the loop learns', () => {
  it.each(['higher', 'lower'])('to speak as long as a reward wants it, %s', async (direction) => {
    const rewards = [
      {
        use: plugIn(`length-${direction}`, seconds, direction),
        weight: 1,
        worst: direction === 'higher' ? 0 : 1,
        best: direction === 'higher' ? 1 : 0,
      },
    ];
    const out = project.path(direction);
    const loop = {
      steps: 25,
      lr: 1e-2,
      decay: 'constant',
      validateEvery: 0,
      checkpointEvery: 0,
      guidance: { share: 0 },
    };
    const length = { maxFrames: 16, minFrames: 3, groupSize: 8, onLengthFailure: 'mask' };
    await runQuietly('grpo', {
      config: writeConfig(project, { ...configsOf(project).grpo, rewards, ...loop, ...length }),
      out,
    });
    const frames = metricsOf(out).flatMap((line) => line['samples/frames'] ?? []);
    const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
    const gain = mean(frames.slice(-5)) - mean(frames.slice(0, 5));
    expect(direction === 'higher' ? gain : -gain).toBeGreaterThan(1);
  });
});
