import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DataError } from '@align2speak/contracts';
import type { Summary } from '@align2speak/report';
import type { StageName as TrainStage } from '@align2speak/train';

/** A row of the table: a model, as the summary names it. */
export type StageName = Summary['stages'][number]['name'];

/** Languages that the base model knows. */
export const sourceLanguages = ['en', 'de', 'nl', 'es', 'fr', 'it'] as const;

/** How much a demo does. */
export interface DemoSizes {
  /** Test texts, each under every seed. */
  items: number;
  /** Test texts of each source language, one seed. */
  sourceItems: number;
  seeds: number[];
  fineTuneSteps: number;
  grpoSteps: number;
}

/** Some nine minutes on two cores of 2025, half an hour on two of 2017; `--full` adds stages to it and repeats none. */
export const demoSizes: DemoSizes = {
  items: 60,
  sourceItems: 20,
  seeds: [1, 2, 3],
  fineTuneSteps: 400,
  grpoSteps: 110,
};

/** The same with `scale` times the updates. */
export const scaledSizes = (scale: number): DemoSizes => ({
  ...demoSizes,
  fineTuneSteps: Math.round(scale * demoSizes.fineTuneSteps),
  grpoSteps: Math.round(scale * demoSizes.grpoSteps),
});

/** The shipped models. */
export const shipped = {
  codec: 'models/tiny/codec',
  base: 'models/tiny/base',
  multilingualRecogniser: 'models/tiny/multilingual-recogniser.onnx',
} as const;

/** Languages that the base model never heard, and that recognisers are shipped for. */
export const targetLanguages = ['pt', 'pl', 'hi'] as const;

/** The shipped judges of a target language. */
export const judgesOf = (lang: string) => ({
  recogniser: `models/tiny/recogniser-${lang}.onnx`,
  heldOutRecogniser: `models/tiny/held-out-recogniser-${lang}.onnx`,
  speaker: 'models/tiny/speaker.onnx',
  heldOutSpeaker: 'models/tiny/held-out-speaker.onnx',
  quality: 'models/tiny/quality.onnx',
});

/** @throws DataError naming the first shipped file that is not there, and the command that makes it. */
export function checkShipped(languages: readonly string[]): void {
  const judges = languages.flatMap((lang) => Object.values(judgesOf(lang)));
  for (const path of [...Object.values(shipped), ...judges]) {
    if (existsSync(path)) continue;
    const hint = 'run it at the root of the checkout; npm run rebuild-tiny makes the models from nothing';
    throw new DataError({ where: 'demo', what: path, expected: 'a shipped model', got: 'no such file', hint });
  }
}

/** One training of the demo. */
export interface TrainingPlan {
  stage: TrainStage;
  out: string;
  config: string;
  set: string[];
}

const recipe = (name: string) => join('packages', 'train', 'recipes', 'tiny', `${name}.yaml`);
const list = (values: readonly string[]) => `[${values.join(', ')}]`;

/** The trainings of one language in a folder; later ones start from what earlier ones made. */
export class TrainingPlans {
  readonly #folder: string;
  readonly #lang: string;
  readonly #sizes: DemoSizes;
  readonly #seed: number;

  constructor(folder: string, lang: string, options: { sizes: DemoSizes; seed: number }) {
    this.#folder = folder;
    this.#lang = lang;
    this.#sizes = options.sizes;
    this.#seed = options.seed;
  }

  /** Paired speech of the target, five times as often as the old data. */
  fineTune(steps = this.#sizes.fineTuneSteps, name = 'fine-tune'): TrainingPlan {
    const old = sourceLanguages.map((lang) => `{manifest: corpus/train/${lang}.jsonl, repeat: 0.35}`);
    const train = list([`{manifest: corpus/train/${this.#lang}.small.jsonl, repeat: 5}`, ...old]);
    return this.#plan('finetune', name, [
      `train=${train}`,
      `validation=${list([this.#lang, 'en', 'es'].map((lang) => `corpus/validation/${lang}.jsonl`))}`,
      `selectBy=[${this.#lang}]`,
      `steps=${steps}`,
    ]);
  }

  /** Texts without audio. Without fine-tuning not even the speaking rate of the target is known: that of Spanish stands in. */
  grpo(init: string, name: string, steps = this.#sizes.grpoSteps): TrainingPlan {
    const paired = init !== shipped.base;
    return this.#plan('grpo', name, [...this.#prompts(init, paired ? `${this.#lang}.small` : 'es'), `steps=${steps}`]);
  }

  /** As many samples as GRPO judges, all made before the first update. */
  dpo(init: string): TrainingPlan {
    return this.#plan('dpo', 'dpo', [
      ...this.#prompts(init, `${this.#lang}.small`),
      `pairPrompts=${12 * this.#sizes.grpoSteps}`,
    ]);
  }

  #plan(stage: TrainStage, name: string, set: string[]): TrainingPlan {
    const out = join(this.#folder, name);
    return { stage, out, config: recipe(stage), set: [...set, `seed=${this.#seed}`] };
  }

  /** The model, the texts, and the judges of the language. */
  #prompts(init: string, recordings: string): string[] {
    const { recogniser, heldOutRecogniser } = judgesOf(this.#lang);
    return [
      `init=${init}`,
      `texts=[corpus/train/${this.#lang}.texts.jsonl]`,
      `validation=[corpus/validation/${this.#lang}.jsonl]`,
      `rewards.cer.judge=${recogniser}`,
      `rewards.pace.recordings=corpus/train/${recordings}.jsonl`,
      `rewards.cerHeldOut.judge=${heldOutRecogniser}`,
    ];
  }
}
