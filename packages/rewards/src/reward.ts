/** What a sample was to be: its text, and the voice it was prompted with. */
export interface Reference {
  /** IPA of the text that was to be said. */
  readonly ipa: string;
  /** Language code of that text. */
  readonly lang: string;
  /** Key of the voice prompt: the same key means the same `voiceWav`. */
  readonly voice: string;
  /** The prompt itself, mono at the batch's sample rate. */
  readonly voiceWav: Float32Array;
}

/** Samples to be judged; `wavs[i]` goes with `references[i]`. Nothing in it may be changed. */
export interface RewardBatch {
  /** Mono, in [-1, 1]. */
  readonly wavs: readonly Float32Array[];
  /** Hz. */
  readonly sampleRate: number;
  readonly references: readonly Reference[];
  /** Stops the work; what has not been judged by then need not be. */
  readonly signal?: AbortSignal | undefined;
}

/** What a sample earned part by part, such as the sounds of its text: samples of one text have the same parts. */
export interface Parts {
  /** Of each part, on a scale of the reward's direction; need not add up to anything. */
  readonly values: Float64Array;
  /** Where each part is: 0 the sample's beginning, 1 its end. */
  readonly places: Float64Array;
}

/** Values of samples, and where in each sample they were earned. */
export interface LocatedScores {
  readonly scores: Float64Array;
  readonly parts: readonly Parts[];
}

/** A measure of samples of speech that training can raise or lower. */
export interface Reward {
  /** Letters, digits, `_` and `-`; what configurations and logs call it. */
  readonly name: string;
  /** Which values are better. */
  readonly direction: 'higher' | 'lower';
  /** Least and greatest value. */
  readonly range: readonly [number, number];
  /** Whether it says where in the samples its values were earned. */
  readonly locates?: boolean;
  /** What it measures, and what it cannot see. */
  readonly docs?: string;
  /** One value within `range` for each sample, NaN where it could not be measured; `LocatedScores` where it locates. */
  score(batch: RewardBatch): Promise<Float64Array | LocatedScores>;
  /** Releases what it holds. */
  close?(): Promise<void> | void;
}
