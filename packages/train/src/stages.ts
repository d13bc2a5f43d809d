import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { configJsonSchema, writeWhole } from '@align2speak/contracts';
import { setThreads } from '@align2speak/native';
import { stringify } from 'yaml';
import type { z } from 'zod';
import { codecStage, codecTraining } from './codec-stage.js';
import { type LoopConfig, loadConfig } from './config.js';
import { dpoStage, dpoTraining } from './dpo-stage.js';
import { grpoTraining } from './grpo-config.js';
import { grpoStage } from './grpo-stage.js';
import { judgeStage, judgeTraining } from './judge-stage.js';
import { runStage, type Stage } from './loop.js';
import { Run } from './run.js';
import { supervisedStage, supervisedTraining } from './supervised-stage.js';

interface StageKind<S extends z.ZodType> {
  schema: S;
  about: string;
  open(config: z.output<S>): Promise<Stage>;
}

const stage = <S extends z.ZodType>(kind: StageKind<S>) => kind as unknown as StageKind<z.ZodType>;

/** What can be trained, by the name of its command. */
export const stages = {
  codec: stage({ schema: codecTraining, about: 'Trains a codec on recordings.', open: codecStage }),
  judge: stage({ schema: judgeTraining, about: 'Trains a recogniser, speaker or quality judge.', open: judgeStage }),
  pretrain: stage({
    schema: supervisedTraining,
    about: 'Trains a multilingual base model on paired speech.',
    open: (config) => supervisedStage('pretrain', config),
  }),
  finetune: stage({
    schema: supervisedTraining,
    about: 'Fine-tunes a model on minutes of a new language.',
    open: (config) => supervisedStage('finetune', config),
  }),
  grpo: stage({ schema: grpoTraining, about: 'Aligns a model with rewards, on texts without audio.', open: grpoStage }),
  dpo: stage({ schema: dpoTraining, about: 'Aligns a model with pairs of its own samples.', open: dpoStage }),
};

export type StageName = keyof typeof stages;

export interface StageOptions {
  /** YAML file. */
  config?: string | undefined;
  /** `path.to.field=value` over the file. */
  set?: readonly string[] | undefined;
  /** Folder of the run. */
  out: string;
  /** Whether to continue the run that the folder holds; a name such as `step-200` continues from that checkpoint. */
  resume?: boolean | string | undefined;
}

/**
 * Runs a stage as its command does: configuration, run folder, updates, checkpoints.
 *
 * @throws ConfigError, DataError, CheckpointError before any work where something is wrong; Interrupted after a signal.
 */
export async function train(name: StageName, { config: file, set = [], out, resume = false }: StageOptions) {
  const { schema, open } = stages[name];
  const config = await loadConfig(schema, file, set);
  const loop = config as LoopConfig;
  await setThreads(loop.threads);
  const complete = (began: unknown) => {
    const { stage, ...saved } = began as { stage: string };
    const parsed = schema.safeParse(saved);
    return parsed.success ? { stage, ...(parsed.data as object) } : began;
  };
  const run = await Run.open(out, { stage: name, ...(config as object) }, resume !== false, complete);
  await writeWhole(join(out, 'config.yaml'), stringify(config));
  const from = typeof resume === 'string' ? resume : undefined;
  const found = await run.checkpoints.verify(from);
  if (resume !== false && !found) console.error(`${out}: no checkpoint to resume from: updates begin anew`);
  // Complete: a stage that opens may take minutes, to no end.
  if (found?.step === loop.steps && existsSync(join(out, 'last'))) return run.rewind(found.step);
  const opened = await open(config);
  try {
    await runStage(opened, run, loop, from);
  } finally {
    await opened.close?.();
    opened.model.dispose();
  }
}

/** The JSON Schema of a stage's configuration, for editors. */
export function stageSchema(name: StageName): Record<string, unknown> {
  return configJsonSchema(stages[name].schema);
}
