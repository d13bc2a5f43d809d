import { DataError, type TtsConfig } from '@align2speak/contracts';
import { type NamedTensors, Tensor, Tts, type TtsBatch, type TtsLoss } from '@align2speak/native';
import { type TtsHints, ttsConfigFromWeights } from '@align2speak/tts';
import { z } from 'zod';
import type { GoldenFolder } from './golden-folder.js';

/** A recorded greedy generation. */
const generateSchema = z.looseObject({
  guidance: z.number(),
  min_frames: z.int(),
  max_frames: z.int(),
  local: z.boolean(),
  prior: z
    .object({
      epsilon: z.number(),
      look_ahead: z.int(),
      start_after: z.int(),
      sink: z.int(),
      stuck: z.int(),
      estimate_layers: z.array(z.int()),
      apply_layers: z.array(z.int()),
    })
    .nullish(),
});

/** What README.json says that shapes do not. Everything else in it describes the file for people. */
const readmeSchema = z.looseObject({
  heads: z.int(),
  xa_heads: z.int().optional(),
  bos: z.int(),
  eos: z.int(),
  context_bos: z.int(),
  context_eos: z.int(),
  mask: z.int().optional(),
  model_type: z.enum(['decoder_ce', 'decoder_context', 'multi_encoder']).optional(),
  encoder_causal: z.boolean().optional(),
  apply_norm_to_cond: z.boolean().optional(),
  mask_convention: z.enum(['outer', 'query', 'strict']).optional(),
  transcript_decoder_layers: z.array(z.int()).optional(),
  context_decoder_layers: z.array(z.int()).optional(),
  frame_stacking: z.int().optional(),
  codebooks: z.int().optional(),
  local_transformer: z.looseObject({ heads: z.int() }).nullish(),
  group: z.int().optional(),
  unconditional: z.array(z.int()).nullish(),
  prior: z.object({ scaling: z.number(), blend: z.number(), eps: z.number(), strict: z.boolean() }).nullish(),
  alignment_layers: z.array(z.int()).nullish(),
  generate: generateSchema.nullish(),
});
type Readme = z.infer<typeof readmeSchema>;

/** Teacher-forced forward, cross-entropy and policy loss with their gradients; alignment and local losses where recorded. */
export async function runTts(folder: GoldenFolder): Promise<void> {
  const parsed = readmeSchema.safeParse(folder.readme);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new DataError({
      where: `${folder.path}/README.json`,
      what: issue!.path.join('.'),
      expected: issue!.message,
      got: 'something else',
    });
  }
  const readme = parsed.data;
  const config = ttsConfigFromWeights(folder.weights.tensors, hintsOf(readme, folder), folder.path);
  const model = await Tts.create(config, { dtype: folder.dtype, seed: null });
  await model.load(await folder.weightTensors());
  const batch = await readBatch(folder, readme);
  await compareForward(folder, model, batch);
  await compareGeneration(folder, model, readme.generate);
  await compareLosses(folder, model, { batch, readme });
  model.dispose();
}

function hintsOf(readme: Readme, folder: GoldenFolder): TtsHints {
  const { shape } = folder.weights.tensors.get('audio_embeddings.0.weight') ?? { shape: [0] };
  const used = [readme.bos, readme.eos, readme.context_bos, readme.context_eos];
  const spare = Array.from({ length: shape[0]! }, (_, id) => shape[0]! - 1 - id).find((id) => !used.includes(id));
  const hints = {
    heads: readme.heads,
    crossHeads: readme.xa_heads,
    bos: readme.bos,
    eos: readme.eos,
    contextBos: readme.context_bos,
    contextEos: readme.context_eos,
    mask: readme.mask ?? spare,
    modelType: readme.model_type,
    encoderCausal: readme.encoder_causal,
    applyNormToCond: readme.apply_norm_to_cond,
    maskConvention: readme.mask_convention,
    transcriptDecoderLayers: readme.transcript_decoder_layers,
    contextDecoderLayers: readme.context_decoder_layers,
    frameStacking: readme.frame_stacking ?? 1,
    localTransformer: readme.local_transformer,
  };
  return Object.fromEntries(Object.entries(hints).filter(([, value]) => value != null)) as Partial<TtsConfig>;
}

async function readBatch(folder: GoldenFolder, { group, unconditional }: Readme): Promise<TtsBatch> {
  return {
    text: await folder.ints('in.text'),
    textLengths: await folder.ints('in.text_len'),
    codes: await folder.ints('in.codes'),
    codeLengths: await folder.ints('in.codes_len'),
    contextCodes: await folder.ints('in.context_codes'),
    contextLengths: await folder.ints('in.context_len'),
    group,
    unconditional: unconditional
      ? await Tensor.from(Int32Array.from(unconditional), [unconditional.length])
      : undefined,
  };
}

async function compareForward(folder: GoldenFolder, model: Tts, batch: TtsBatch): Promise<void> {
  const parts = await model.forward(batch, ['text', 'context', 'hidden', 'logits', 'logprobs'], { heads: 'parallel' });
  await folder.output('encoder', parts.text);
  await folder.output('context', parts.context);
  await folder.output('decoder', parts.hidden);
  await folder.output('logits', parts.logits);
  await folder.output('logprobs', await byStep(parts.logprobs, model.config.frameStacking));
  if (folder.has('out.local_logprobs')) {
    const { logprobs } = await model.forward(batch, ['logprobs'], { heads: 'local' });
    await folder.output('local_logprobs', await byStep(logprobs, model.config.frameStacking));
  }
  if (folder.has('out.unconditional')) {
    const samples = batch.codes.shape[0]!;
    const unconditional = await Tensor.from(new Int32Array(samples).fill(1), [samples]);
    const { hidden } = await model.forward({ ...batch, unconditional }, ['hidden']);
    await folder.output('unconditional', hidden);
  }
}

async function compareGeneration(folder: GoldenFolder, model: Tts, recorded: Readme['generate']): Promise<void> {
  if (!recorded || !folder.has('in.generate_text')) return;
  const { prior } = recorded;
  const prompts = {
    text: await folder.ints('in.generate_text'),
    textLengths: await folder.ints('in.generate_text_len'),
    contextCodes: await folder.ints('in.generate_context_codes'),
    contextLengths: await folder.ints('in.generate_context_len'),
  };
  const generated = await model.generate(prompts, {
    maxFrames: recorded.max_frames,
    heads: recorded.local ? 'local' : 'parallel',
    sampling: { temperature: 0, guidance: recorded.guidance, minFrames: recorded.min_frames },
    prior: prior
      ? {
          epsilon: prior.epsilon,
          lookAhead: prior.look_ahead,
          startAfter: prior.start_after,
          sink: prior.sink,
          stuck: prior.stuck,
          estimateLayers: prior.estimate_layers,
          applyLayers: prior.apply_layers,
          exact: true,
        }
      : undefined,
  });
  await folder.codes('generated', generated.codes);
  await folder.codes('generated_len', generated.lengths);
}

/** `[B, K, S·U]` by frames as `[B, S·K, U]` by steps of S frames, slot after slot. */
async function byStep(logprobs: Tensor, stack: number): Promise<Tensor | Float64Array> {
  if (stack === 1) return logprobs;
  const [, codebooks, frames] = logprobs.shape as [number, number, number];
  const values = await logprobs.toArray();
  const steps = frames / stack;
  return Float64Array.from(values, (_, i) => {
    const [b, head, u] = [Math.floor(i / (codebooks * frames)), Math.floor(i / steps) % (codebooks * stack), i % steps];
    const [slot, k] = [Math.floor(head / codebooks), head % codebooks];
    return values[(b * codebooks + k) * frames + u * stack + slot]!;
  });
}

async function compareLosses(folder: GoldenFolder, model: Tts, { batch, readme }: { batch: TtsBatch; readme: Readme }) {
  const train = async (loss: TtsLoss) => {
    await model.zeroGrad();
    const { loss: value, stats } = await model.lossBackward(batch, loss);
    return { value, stats, gradients: await model.gradients() };
  };
  const prior = readme.prior ?? undefined;
  const supervised = { kind: 'supervised', localWeight: 0, prior } as const;
  const ce = await train(supervised);
  await folder.output('ce', [ce.value]);
  await folder.gradients('grad.ce.', ce.gradients);

  if (folder.has('in.advantages')) {
    const advantages = await folder.floats('in.advantages');
    const policy = await train({ kind: 'policy', advantages, algorithm: 'grpo', heads: 'parallel' });
    await folder.output('pg', [policy.value]);
    await folder.gradients('grad.grpo.', policy.gradients);
  }
  // These two losses are trained beside the cross-entropy: what they add to its gradients is theirs.
  if (folder.has('out.local')) {
    const both = await train({ ...supervised, localWeight: 1 });
    await folder.output('local', [both.stats.localCrossEntropy!]);
    await folder.gradients('grad.local.', await difference(both.gradients, ce.gradients));
  }
  if (folder.has('out.alignment')) {
    const alignmentLayers = readme.alignment_layers ?? undefined;
    const both = await train({ ...supervised, alignmentWeight: 1, alignmentLayers });
    await folder.output('alignment', [both.stats.alignment!]);
    await folder.gradients('grad.alignment.', await difference(both.gradients, ce.gradients));
  }
}

async function difference(a: NamedTensors, b: NamedTensors): Promise<Record<string, Float64Array>> {
  const result: Record<string, Float64Array> = {};
  for (const [name, tensor] of Object.entries(a)) {
    const minus = await b[name]!.toArray();
    result[name] = Float64Array.from(await tensor.toArray(), (value, i) => value - minus[i]!);
  }
  return result;
}
