import { z } from 'zod';
import { arithmeticFields, loopFields } from './config.js';
import { rewardSetting } from './judged-rewards.js';

const creditedSetting = rewardSetting.extend({
  credit: z
    .number()
    .min(0)
    .max(1)
    .default(0)
    .describe('Of the weight: what goes to the frames that earned it, where the reward knows them (cer does).'),
});

/** Configuration of `align2speak grpo`. */
export const grpoTraining = z.strictObject({
  init: z.string().describe('Folder of the model to align.'),
  codec: z.string().describe('Folder of the codec.'),
  texts: z.array(z.string()).min(1).describe('Files of texts to speak, JSON lines of text, ipa and lang; no audio.'),
  voices: z.array(z.string()).min(1).describe('Manifests of speech in any language, for voice prompts.'),
  validation: z.array(z.string()).min(1).describe('Manifests whose texts and voices measure progress.'),
  rewards: z.array(creditedSetting).min(1).describe('Judges; one of weight 0 is only watched.'),
  prompts: z.int().min(1).default(12).describe('P, prompts of one update.'),
  groupSize: z.int().min(2).default(12).describe('G, rollouts of a prompt.'),
  promptsPerChunk: z.int().min(1).default(4).describe('Prompts rolled out at once; the others are judged meanwhile.'),
  samplesPerPass: z
    .int()
    .min(1)
    .default(12)
    .describe('Rollouts learnt from at once, in whole groups; fewer need less memory.'),
  contextFrames: z.int().min(1).default(20).describe('Frames of a voice prompt.'),
  maxFrames: z.int().min(8).default(90).describe('A rollout without an end by then is cut off.'),
  minFrames: z.int().min(0).default(4).describe('No end is drawn before.'),
  temperature: z.number().positive().default(0.7),
  topK: z.int().min(0).default(0),
  topP: z.number().positive().max(1).default(1),
  guidance: z
    .strictObject({
      share: z.number().min(0).max(1).default(0).describe('Of updates whose rollouts are guided.'),
      scale: z.number().min(1).default(2),
    })
    .prefault({}),
  combine: z.enum(['standardise-each', 'sum-then-centre']).default('standardise-each'),
  reach: z
    .strictObject({
      before: z.int().min(0).max(1000).default(3),
      after: z.int().min(0).max(1000).default(2),
    })
    .prefault({})
    .describe("Frames around a sound that answer for it, where a reward's credit goes to frames."),
  stdFloor: z.number().positive().optional().describe('Least deviation that rewards are divided by.'),
  onFailure: z.enum(['mask', 'group-minimum']).default('mask'),
  onLengthFailure: z.enum(['mask', 'group-minimum']).default('group-minimum'),
  bestCer: z.number().min(0).default(1).describe('A group is skipped when none of it has a lower CER.'),
  worstCer: z.number().min(0).default(1).describe('A group is skipped when one of it has a higher CER.'),
  algorithm: z.enum(['grpo', 'dr_grpo']).default('grpo'),
  iterations: z.int().min(1).max(64).default(1).describe('Times that the same rollouts move the weights.'),
  clip: z
    .strictObject({
      low: z.number().min(0).lt(1).default(0.2).describe('A token that became less likely by more stops counting.'),
      high: z.number().min(0).default(0.28).describe('One that became more likely by more.'),
    })
    .prefault({})
    .describe('From the second iteration on; relative to the probability when it was drawn; 0: never.'),
  entropyWeight: z.number().min(0).default(0),
  reference: z
    .strictObject({
      weight: z.number().min(0).default(0).describe('Of the KL divergence from the initial model; 0: none.'),
      guidance: z.number().min(1).default(1).describe('Its guidance: above 1 it also teaches what guidance knows.'),
    })
    .prefault({}),
  validationItems: z.int().min(1).default(48),
  ...arithmeticFields,
  ...loopFields,
});

export type GrpoTraining = z.infer<typeof grpoTraining>;
