import { loadCodec } from '@align2speak/codec';
import { requireSameCodes } from '@align2speak/contracts';
import { readManifest } from '@align2speak/data';
import { loadTts } from '@align2speak/tts';
import { z } from 'zod';
import type { ItemScore } from './items.js';
import { type Summary, summarise } from './metrics.js';
import { evaluateRecordings, evaluateTts, openPanel } from './run.js';
import { loadTestSet, type TestPrompt } from './test-set.js';

/** Configuration of `align2speak evaluate`. */
export const evaluation = z.strictObject({
  model: z.string().optional().describe('Folder of the model; absent: only recordings are judged.'),
  codec: z.string().describe('Folder of the codec.'),
  tests: z.array(z.string()).min(1).describe('Manifests of texts with recordings.'),
  voices: z.array(z.string()).min(1).describe('Manifests of other speech of the same speakers, for voice prompts.'),
  judges: z
    .strictObject({
      recogniser: z.string(),
      heldOutRecogniser: z.string().optional(),
      speaker: z.string().optional(),
      heldOutSpeaker: z.string().optional(),
      quality: z.string().optional(),
    })
    .describe('ONNX files.'),
  items: z.int().min(2).optional().describe('Texts of each manifest, evenly chosen; absent: all.'),
  seeds: z.array(z.int().min(0)).min(1).default([1, 2, 3]).describe('Of the sampler; each text is said under each.'),
  temperature: z.number().min(0).default(0.7),
  guidance: z.number().min(1).default(1).describe('1: off.'),
  bf16: z.boolean().default(false).describe('Whether the model multiplies in bfloat16.'),
  minFrames: z.int().min(0).default(4),
  maxFrames: z.int().min(8).default(130),
  contextFrames: z.int().min(1).default(20),
});

export type Evaluation = z.infer<typeof evaluation>;

/** Scores of every item and their summary, for a model or for the recordings. */
export interface EvaluationResult {
  summary: Summary;
  items: ItemScore[];
}

/**
 * Evaluates a model on every test manifest, or, without one, what the judges say of the recordings and their resynthesis.
 *
 * @returns by manifest.
 * @throws CheckpointError, DataError naming what cannot be used.
 */
export async function runEvaluation(
  settings: Evaluation,
  onProgress: (done: number, total: number) => void = () => {},
): Promise<Record<string, Record<string, EvaluationResult>>> {
  const codec = await loadCodec(settings.codec);
  const model = settings.model === undefined ? undefined : await loadTts(settings.model, { bf16: settings.bf16 });
  if (model) requireSameCodes(model.config, codec.config, settings.model!);
  const panel = await openPanel(settings.judges);
  const { temperature, guidance, minFrames, seeds, maxFrames } = settings;
  const withSummary = (items: ItemScore[]) => ({ summary: summarise(items), items });
  const results: Record<string, Record<string, EvaluationResult>> = {};
  try {
    for (const manifest of new Set([...settings.tests, ...settings.voices])) await readManifest(manifest);
    const sets: [string, TestPrompt[]][] = [];
    for (const manifest of settings.tests)
      sets.push([manifest, await loadTestSet({ ...settings, manifest, most: settings.items })]);
    const total = seeds.length * sets.reduce((sum, [, prompts]) => sum + prompts.length, 0);
    let before = 0;
    for (const [manifest, prompts] of sets) {
      if (model) {
        const sampling = { temperature, guidance, minFrames };
        const told = await evaluateTts({ model, codec, panel }, prompts, {
          seeds,
          sampling,
          maxFrames,
          onProgress: (done) => onProgress(before + done, total),
        });
        before += told.items.length;
        results[manifest] = { model: withSummary(told.items) };
      } else {
        const { recording, resynthesis } = await evaluateRecordings({ codec, panel }, prompts);
        results[manifest] = { recording: withSummary(recording), resynthesis: withSummary(resynthesis) };
      }
    }
  } finally {
    await panel.close();
    codec.dispose();
    model?.dispose();
  }
  return results;
}
