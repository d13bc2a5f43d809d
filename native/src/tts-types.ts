import type { Tensor } from './tensor.js';
import type { Tts } from './tts.js';

/** What is spoken and by whom. All i32; values beyond the lengths are ignored. */
export interface TtsPrompts {
  /** `[P, N]` ids, the text EOS last. */
  text: Tensor;
  /** `[P]`, the text EOS included. */
  textLengths: Tensor;
  /** `[P, K, T]` codes of the voice prompt, without special ids. */
  contextCodes: Tensor;
  /** `[P]` frames. */
  contextLengths: Tensor;
}

/** Samples of prompts, B = P·group; sample b belongs to prompt floor(b / group). All i32. */
export interface TtsBatch extends TtsPrompts {
  /** `[B, K, T]` codes without BOS and EOS. */
  codes: Tensor;
  /** `[B]` frames. */
  codeLengths: Tensor;
  /** Samples of each prompt; default 1. */
  group?: number | undefined;
  /** `[B]`, 1: the sample is seen without text and voice prompt; absent: none is. */
  unconditional?: Tensor | undefined;
  /** `[B, K]` targets of the frame after the last, as `generate` drew them; absent: EOS. */
  endTokens?: Tensor | undefined;
}

/** The distribution of a token, the same for the sampler and for likelihoods. */
export interface Sampling {
  /** 0: the likeliest (generation only); default 1. */
  temperature?: number | undefined;
  /** 0 (the default): all ids. */
  topK?: number | undefined;
  /** 1 (the default): all ids. */
  topP?: number | undefined;
  /** gamma of gamma·conditional + (1 - gamma)·unconditional; 1 (the default): off. */
  guidance?: number | undefined;
  /** Whether ids that are neither codec tokens nor EOS may occur; default false. */
  specialIds?: boolean | undefined;
  /** Further ids that may not occur. */
  forbidden?: readonly number[] | undefined;
  /** EOS may not occur in steps that begin before this frame; default 4 in generation, else 0. */
  minFrames?: number | undefined;
}

export interface ScoreSettings {
  /** Which heads say how likely a token is; default `Tts.heads`. */
  heads?: 'parallel' | 'local' | undefined;
  /** Absent: the plain softmax over all ids. */
  sampling?: Sampling | undefined;
}

/** The decoder's past as it was not, drawn by these counters. */
export interface PastNoise {
  seed: number;
  step: number;
  /** Probability of random codes in place of a frame: the model reads the text instead of trusting what it said. Default 0. */
  history?: number;
  /**
   * Its own draws, after the true frames before them, in place of a share of each item's frames, which is drawn uniformly up to this:
   * the model learns to go on after its own errors. Default 0. @see Mihaylova, Martins: Scheduled Sampling for Transformers, 2019
   */
  ownHistory?: number;
}

export type TtsPart = 'text' | 'context' | 'hidden' | 'logits' | 'logprobs' | 'entropy';

interface Weighted {
  /** Factor of the gradients, e.g. one over the number of accumulated batches; default 1. */
  weight?: number | undefined;
}

/** Cross-entropy of the targets, with the alignment loss and the prior of early training. */
export interface SupervisedLoss extends Weighted {
  kind: 'supervised';
  /** Weight of the local transformer's cross-entropy, where the model has one; default 1. */
  localWeight?: number | undefined;
  /** Weight of the forward-sum loss on cross-attention; default 0. */
  alignmentWeight?: number | undefined;
  /** Decoder layers; default: all that attend to the text. */
  alignmentLayers?: readonly number[] | undefined;
  /** i32 `[B, n]` text positions to visit, counted from 1, with their number `[B]`; default: all. */
  alignmentTargets?: Tensor | undefined;
  alignmentTargetLengths?: Tensor | undefined;
  /** Beta-binomial prior along the diagonal; `blend` 0: the full prior, 1: none. */
  prior?: { scaling?: number; blend?: number; eps?: number; strict?: boolean } | undefined;
  /** Dropout, a batch without conditions now and then, and a past that was not, drawn by these counters; absent: none of them. */
  noise?: PastNoise | undefined;
}

/** Policy gradient. @see ops.policyLoss for what the settings mean. */
export interface PolicyLoss extends Weighted, ScoreSettings {
  kind: 'policy';
  /** `[B]` in the model's dtype. */
  advantages: Tensor;
  /** `[B, T]` as forward's `logprobs` has frames, added to the sample's at each; a frame with 0 in all is not used. */
  frameAdvantages?: Tensor | undefined;
  /** `[B, K, T]` as forward's `logprobs`; absent: the policy itself. */
  oldLogprobs?: Tensor | undefined;
  refLogprobs?: Tensor | undefined;
  /** i32 `[B, T]`, 0: the frame does not count. */
  mask?: Tensor | undefined;
  algorithm?: 'grpo' | 'dr_grpo' | 'dapo' | 'gspo' | undefined;
  clipLow?: number | undefined;
  clipHigh?: number | undefined;
  kl?: 'none' | 'k1' | 'k2' | 'k3' | 'exact' | undefined;
  klWeight?: number | undefined;
  entropyWeight?: number | undefined;
  maxFrames?: number | undefined;
  /** For the exact KL, of whole distributions: `topK`, `topP` and ids that may not occur do not enter it. */
  reference?: Tts | undefined;
  /** Its guidance; default 1, off. */
  referenceGuidance?: number | undefined;
}

/** Loss on pairs, the groups of two of the batch, the preferred sample first. @see ops.preferenceLoss */
export interface PreferenceLoss extends Weighted, ScoreSettings {
  kind: 'preference';
  /** `[B]` log-probability of each sample under the reference model. */
  reference: Tensor;
  /** `[P]` */
  rewardGap?: Tensor | undefined;
  algorithm?: 'dpo' | 'ipo' | 'rpo' | 'rpo_sq' | undefined;
  beta?: number | undefined;
  eta?: number | undefined;
  labelSmoothing?: number | undefined;
  sftWeight?: number | undefined;
}

export type TtsLoss = SupervisedLoss | PolicyLoss | PreferenceLoss;

/** A batch to learn from, and how. */
export interface TtsPass {
  batch: TtsBatch;
  loss: TtsLoss;
}

/** What a training pass measured. */
export interface Trained {
  loss: number;
  /**
   * supervised: crossEntropy and, where they count, localCrossEntropy and alignment; policy: meanRatio, maxLogprobGap,
   * clippedBelow, clippedAbove, kl, entropy, tokens, outsideSupport; preference: accuracy.
   */
  stats: Record<string, number>;
  /** `[B, K, T]` of the targets, before this pass changes anything. */
  logprobs: Tensor;
  /** `[P]`, preference only. */
  margins?: Tensor;
}

export interface GenerateSettings {
  /** Samples of each prompt; default 1. */
  group?: number | undefined;
  /** i32 `[P·group]`: whose random numbers each sample uses; default 0, 1, 2, ... */
  sampleIds?: Tensor | undefined;
  seed?: number | undefined;
  /** Default 500. */
  maxFrames?: number | undefined;
  /** Which heads draw; default `Tts.heads`. */
  heads?: 'parallel' | 'local' | undefined;
  sampling?: Sampling | undefined;
  /** A step ends a sample by EOS in `where` codebooks (default any) of its likeliest or (`sampled`, default) sampled tokens. */
  end?: { where?: 'any' | 'all' | 'first'; sampled?: boolean } | undefined;
  /** Monotonic window over the text; absent: none. */
  prior?: GenerationPrior | undefined;
}

export interface GenerationPrior {
  /** Weight outside the window; default 0.1. */
  epsilon?: number;
  /** Positions that the window reaches beyond the attended one; default 6. */
  lookAhead?: number;
  /** Steps without a prior; default 0. */
  startAfter?: number;
  /** Times a position may be attended to before the window moves on by itself; default 8. */
  sink?: number;
  /** Times after which a position and all before it are closed; default 10. */
  stuck?: number;
  /** Whether the end of speech is tied to the end of the text; default false. */
  trackEnding?: boolean;
  /** Steps near the end of the text after which EOS is free, and after which it is forced; default 5 and 20. */
  release?: number;
  force?: number;
  /** Whose attention says where the voice is; default: every layer that attends to the text. */
  estimateLayers?: readonly number[];
  /** Which layers are held to the window; default: the same. */
  applyLayers?: readonly number[];
  /** Whether earlier steps are computed again under the newest prior, as the reference does: slow. */
  exact?: boolean;
}

/** What was sampled, B = P·group. Values beyond the lengths are 0. */
export interface Generated {
  /** i32 `[B, K, T]` */
  codes: Tensor;
  /** i32 `[B]` frames, the ending one not counted. */
  lengths: Tensor;
  /** i32 `[B]`, 1: no end within maxFrames. */
  truncated: Tensor;
  /** `[B, K, T]` nats, under the distribution each token was drawn from. */
  logprobs: Tensor;
  /** `[B, K, T]` nats */
  entropy: Tensor;
  /** i32 `[B, K]`, the tokens that the ending frame drew: their likelihood is that of the end. EOS where a sample was truncated. */
  endTokens: Tensor;
  /** `[B, K]` nats, 0 where a sample was truncated. */
  endLogprobs: Tensor;
  times: { encodeMs: number; prefillMs: number; decodeMs: number; sampleMs: number; steps: number; rows: number };
}
