import { type Sampling, Tensor, type Tts, type TtsBatch } from '@align2speak/native';
import type { Advantages } from '@align2speak/rl';
import { disposeTensors } from '@align2speak/tts';
import type { GrpoTraining } from './grpo-config.js';
import { drawnBatch, frameRows, largestGap, lossMask, type Rollout, type RolloutPrompt } from './rollouts.js';
import type { Metrics } from './run.js';

/** What learns, and how. */
export interface Learner {
  model: Tts;
  config: GrpoTraining;
  /** The model that the KL divergence is from. */
  reference?: Tts;
}

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

/** Whole groups that are learnt from in one pass. */
interface LearningPass {
  samples: readonly Rollout[];
  batch: TtsBatch;
  /** Of all samples of the update. */
  share: number;
  inputs: Awaited<ReturnType<typeof lossInputs>>;
}

/** The policy gradient of all rollouts, of the last iteration, and what the passes measured. */
export async function learn(
  learner: Learner,
  prompts: readonly RolloutPrompt[],
  samples: readonly Rollout[],
  found: Advantages,
  { sampling, skip, move }: { sampling: Sampling; skip: boolean; move: () => Promise<unknown> },
): Promise<Metrics> {
  const { model, config } = learner;
  const passes = await passesOf(learner, prompts, samples, found);
  /** @param drawn log-probabilities of the first iteration, which are the sampler's */
  const run = (drawn?: readonly Tensor[]) =>
    model.lossBackwardEach(
      passes.map(({ batch, inputs, share }, i) => ({
        batch,
        loss: {
          kind: 'policy',
          ...inputs,
          ...(drawn && { oldLogprobs: drawn[i]!, clipLow: config.clip.low, clipHigh: config.clip.high }),
          sampling,
          algorithm: config.algorithm,
          ...(config.algorithm === 'dr_grpo' && { maxFrames: config.maxFrames }),
          ...(config.entropyWeight > 0 && { entropyWeight: config.entropyWeight }),
          ...(learner.reference && {
            reference: learner.reference,
            referenceGuidance: config.reference.guidance,
            kl: 'exact',
            klWeight: config.reference.weight,
          }),
          weight: share,
        },
      })),
    );
  const first = await run();
  const mean = (of: (pass: (typeof first)[number]) => number) =>
    sum(first.map((each, i) => of(each) * passes[i]!.share));
  const metrics: Metrics = {
    'policy/loss': mean(({ loss }) => loss),
    'policy/logprobGap': Math.max(
      ...(await Promise.all(passes.map((each, i) => largestGap(each.samples, first[i]!.logprobs)))),
    ),
    'policy/outsideSupport': sum(first.map(({ stats }) => stats.outsideSupport!)),
    ...(learner.reference && { 'policy/kl': mean(({ stats }) => stats.kl!) }),
  };
  for (let iteration = 1; iteration < config.iterations && !skip; iteration++) {
    await move();
    const later = await run(first.map(({ logprobs }) => logprobs));
    metrics['policy/moved'] = Math.max(...later.map(({ stats }) => stats.maxLogprobGap!));
    const tokens = sum(later.map(({ stats }) => stats.tokens!));
    metrics['policy/clipped'] =
      sum(later.map(({ stats }) => (stats.clippedBelow! + stats.clippedAbove!) * stats.tokens!)) / Math.max(1, tokens);
    for (const { logprobs } of later) logprobs.dispose();
  }
  for (const [i, { batch, inputs }] of passes.entries()) disposeTensors(batch, first[i]!, inputs);
  return metrics;
}

async function passesOf(
  { model, config }: Learner,
  prompts: readonly RolloutPrompt[],
  samples: readonly Rollout[],
  found: Advantages,
): Promise<LearningPass[]> {
  const group = config.groupSize;
  const perPass = Math.max(1, Math.floor(config.samplesPerPass / group));
  const drawnFrom = (begin: number) => samples.slice(begin * group, (begin + perPass) * group);
  const framesFrom = (begin: number) => sum(drawnFrom(begin).map(({ codes }) => codes.frames));
  // The longest first: passes at the same time, which wait for each other, are alike, and the last ones are short.
  const begins = Array.from({ length: Math.ceil(prompts.length / perPass) }, (_, i) => i * perPass).sort(
    (a, b) => framesFrom(b) - framesFrom(a),
  );
  return Promise.all(
    begins.map(async (begin) => {
      const own = prompts.slice(begin, begin + perPass);
      const drawn = drawnFrom(begin);
      return {
        samples: drawn,
        batch: await drawnBatch(own, drawn),
        share: drawn.length / samples.length,
        inputs: await lossInputs(drawn, found, begin * group, model.config.frameStacking),
      };
    }),
  );
}

/** What the loss needs of some samples, of which the first is number `start` of the update. */
async function lossInputs(
  samples: readonly Rollout[],
  { advantages, frameAdvantages }: Advantages,
  start: number,
  frameStacking: number,
) {
  const end = start + samples.length;
  const ofFrames = frameAdvantages && (await frameRows(samples, frameAdvantages.slice(start, end), frameStacking));
  return {
    advantages: await Tensor.from(Float32Array.from(advantages.subarray(start, end)), [samples.length]),
    ...(ofFrames && { frameAdvantages: ofFrames }),
    mask: await lossMask(samples, frameStacking),
  };
}

/** What each codebook's head has of the norm of the gradients of all heads that draw. */
export async function gradientShares(model: Tts): Promise<Metrics> {
  const { codebooks, frameStacking } = model.config;
  const rows = codebooks * frameStacking;
  const names =
    model.heads === 'local'
      ? Array.from({ length: rows }, (_, row) => `local_transformer_out_projections.${row}.weight`)
      : ['final_proj.weight'];
  const grads = await model.gradients(names);
  const heads = await Promise.all(names.map((name) => grads[name]!.toArray()));
  disposeTensors(grads);
  const squares = new Float64Array(codebooks);
  const each = (names.length * heads[0]!.length) / rows;
  // Heads of stacked frames come frame by frame.
  for (const [n, head] of heads.entries())
    for (let i = 0; i < head.length; i++) squares[(n + Math.floor(i / each)) % codebooks]! += head[i]! ** 2;
  const total = Math.sqrt(squares.reduce((a, b) => a + b, 0));
  return Object.fromEntries(Array.from(squares, (square, k) => [`gradShare/${k}`, Math.sqrt(square) / total]));
}
