import { ConfigError, DataError, parseConfig } from '@align2speak/contracts';
import { z } from 'zod';

/** Stages of the demo, in the order reports show them. */
export const stageNames = [
  'zero-shot',
  'fine-tune',
  'fine-tune-longer',
  'fine-tune+grpo',
  'fine-tune-longer+grpo',
  'grpo',
  'dpo',
] as const;

const finite = z.number();
const seconds = finite.min(0);
const count = z.int().min(1);
const stageName = z.enum(stageNames);

/** One schema or the other; unlike z.union, its fault names what was expected and what came. */
function either<A extends z.ZodType, B extends z.ZodType>(expected: string, a: A, b: B) {
  const accepts = (value: unknown) => a.safeParse(value).success || b.safeParse(value).success;
  return z.custom<z.output<A> | z.output<B>>(accepts, { params: { expected } });
}

/** A mean and the 95 % interval around it. */
const interval = z
  .strictObject({ mean: finite, low: finite, high: finite })
  .refine(({ low, high }) => low <= high, { params: { expected: 'low at most high' } });

/** A number, with an interval where one was computed. */
const measure = either('a number or {mean, low, high}', finite, interval);

/** What speech is judged by; error rates and shares are fractions, not percent. */
const scores = {
  /** Mean over utterances, by the recogniser that is a reward. */
  cer: interval.optional(),
  /** All errors over all reference characters. */
  cerCumulative: measure.optional(),
  /** Without the utterances that ran away. */
  cerTrimmed: measure.optional(),
  /** By a recogniser that is never a reward. */
  cerHeldOut: interval.optional(),
  cerHeldOutCumulative: measure.optional(),
  /** Cosine similarity of the voice to the prompt's, by the speaker net that is a reward. */
  ssim: interval.optional(),
  ssimHeldOut: interval.optional(),
  quality: interval.optional(),
  /** Share of utterances that did not end by themselves. */
  runawayRate: measure.optional(),
  /** Length of the speech relative to the recording's. */
  lengthRatio: measure.optional(),
};

const breakdown = z.strictObject({ label: z.string().min(1), items: count.optional(), ...scores });

const stage = z.strictObject({
  name: stageName,
  /** Guidance scale at inference; 1 is off. */
  guidance: finite.min(0).default(1),
  ...scores,
  cer: interval,
  /** Utterances judged, per sampling seed. */
  items: count,
  /** Sampling seeds. */
  seeds: count,
  /** Models trained with different seeds that the means run over. */
  trainingSeeds: count.optional(),
  /** The same scores for parts of the test set, e.g. by voice. */
  rows: z.array(breakdown).optional(),
});

const ceiling = z.strictObject({ ...scores, items: count.optional() });
const languageScores = z.record(z.string().min(1), interval);

const results = {
  stages: z.array(stage).min(1),
  /** The same judges on real recordings, and on recordings that went through the codec. */
  ceilings: z.strictObject({ recording: ceiling.optional(), resynthesis: ceiling.optional() }).optional(),
  /** Character error rate of each source language by the model before and after adaptation. */
  sourceLanguages: z.strictObject({ before: languageScores, after: languageScores }).optional(),
};

const audioName = z.enum([...stageNames, 'recording', 'resynthesis', 'voice prompt']);

const sample = z.strictObject({
  /** Name of the test item. */
  prompt: z.string(),
  ipa: z.string().optional(),
  text: z.string().optional(),
  voice: z.string().optional(),
  /** WAV files, relative to the run folder. */
  files: z.partialRecord(audioName, z.string().min(1)),
  cer: z.partialRecord(audioName, finite.min(0)).optional(),
});

const comparison = z.strictObject({
  a: z.string().min(1),
  b: z.string().min(1),
  metric: z.string().min(1),
  /** a - b over the items that both have. */
  difference: interval,
  /** Mean of b over mean of a: how many times lower a is. */
  ratio: finite.optional(),
});

const alarm = z.object({
  rule: z.string().min(1),
  step: z.int().optional(),
  message: z.string(),
  stage: stageName.optional(),
});

const paths = either('a path or a list of paths', z.string().min(1), z.array(z.string().min(1)));

const summarySchema = z.strictObject({
  /** Code of the target language, e.g. `pt`. */
  language: z.string().min(1),
  title: z.string().optional(),
  /** What the run is and what about it is synthetic, in plain words; one entry a paragraph. */
  about: either('a text or a list of texts', z.string(), z.array(z.string())).optional(),
  ...results,
  /** Further target languages, each with results of its own. */
  languages: z.record(z.string().min(1), z.strictObject(results)).optional(),
  comparisons: z.array(comparison).optional(),
  samples: z.array(sample).optional(),
  alarms: z.array(alarm).optional(),
  /** Wall-clock seconds by phase; `stage/part` names belong to a stage. */
  phases: z.record(z.string().min(1), seconds).optional(),
  elapsedSec: seconds.optional(),
  /** `metrics.jsonl` of each stage, relative to the run folder; several where several seeds were trained. */
  series: z.partialRecord(stageName, paths).optional(),
  /** Commands that repeat the run, and what else it takes. */
  reproduce: z.array(z.string()).optional(),
});

export type StageName = (typeof stageNames)[number];
export type Interval = z.output<typeof interval>;
export type Measure = z.output<typeof measure>;
/** Contents of `summary.json`, as it is written. */
export type Summary = z.input<typeof summarySchema>;
/** A summary that was checked, with its defaults. */
export type CheckedSummary = z.output<typeof summarySchema>;
export type Stage = z.output<typeof stage>;
export type Results = Pick<CheckedSummary, keyof typeof results>;
export type Sample = z.output<typeof sample>;
export type AudioName = z.output<typeof audioName>;
export type Alarm = z.output<typeof alarm>;
export type ScoreName = keyof typeof scores;

/**
 * Checks the contents of a `summary.json`.
 *
 * @throws DataError naming the first field that is unknown, missing or out of range.
 */
export function parseSummary(input: unknown, where: string): CheckedSummary {
  try {
    return parseConfig(summarySchema, input, where);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const { what, expected, got, hint } = error;
    throw new DataError({ where, what, expected, got, hint, cause: error });
  }
}
