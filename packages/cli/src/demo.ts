import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeWhole } from '@align2speak/contracts';
import { info } from '@align2speak/native';
import { type Summary, writeReport } from '@align2speak/report';
import { formatDuration, train } from '@align2speak/train';
import { makeCorpus } from './data.js';
import { Evaluator } from './demo-evaluator.js';
import {
  checkShipped,
  type DemoSizes,
  type StageName,
  scaledSizes,
  shipped,
  type TrainingPlan,
  TrainingPlans,
} from './demo-plan.js';

export interface DemoOptions {
  out: string;
  /** Also GRPO without fine-tuning, DPO and longer fine-tuning, in the first language. */
  full: boolean;
  /** Each is adapted to from the base model. */
  languages: readonly string[];
  seed: number;
  /** Times the updates of fine-tuning and of GRPO. */
  scale: number;
}

/** Adapts the shipped base model to a language it never heard, and writes `runs/demo/` with a report. */
export async function runDemo(options: DemoOptions): Promise<Summary> {
  checkShipped(options.languages);
  const demo = new Demo(options);
  await demo.prepare();
  const results: Record<string, LanguageResults> = {};
  for (const lang of options.languages) results[lang] = await demo.adapt(lang);
  const [first, ...others] = options.languages as [string, ...string[]];
  const { comparisons, samples, series, ...main } = results[first]!;
  const further = others.map((lang) => {
    const { stages, ceilings, sourceLanguages: forgetting } = results[lang]!;
    return [lang, { stages, ceilings, sourceLanguages: forgetting }] as const;
  });
  const summary: Summary = {
    language: first,
    title: `Learning ${first} on a laptop`,
    about,
    ...main,
    ...(further.length > 0 && { languages: Object.fromEntries(further) }),
    comparisons,
    samples,
    phases: demo.phases,
    // Trainings that an earlier run of the demo did count too.
    elapsedSec: Object.values(demo.phases).reduce((sum, seconds) => sum + seconds, 0),
    series,
    reproduce: [commandOf(options), `${info().threads} threads, ${info().isa}`],
  };
  await writeWhole(join(options.out, 'summary.json'), `${JSON.stringify(summary, null, 1)}\n`);
  printTable(summary);
  console.log(`\nreport: ${await writeReport(options.out)}`);
  return summary;
}

/** What does the same again. */
function commandOf({ full, languages, seed, scale }: DemoOptions): string {
  return `npm run demo -- ${full ? '--full ' : ''}--lang ${languages.join(' ')} --seed ${seed} --scale ${scale}`;
}

/** What the report says of itself. */
const about = [
  'A tiny text-to-speech model that knows six languages learns one that it has never heard: first from ten minutes of paired speech, then by GRPO from texts without audio, with the error rate credited to the frames that earned it.',
  'All speech here is synthetic: espeak-ng voices, changed in pitch and vocal tract, speak sentences from word lists and grammars that the project wrote. The models are small enough to train on two CPU cores. Error rates are over IPA, as heard by recognisers of the same kind. Nothing here says how the method does on human speech.',
];

/** What a language contributes to the summary. */
type LanguageResults = ReturnType<Evaluator['results']> & Required<Pick<Summary, 'series'>>;

class Demo {
  readonly phases: Record<string, number> = {};
  readonly #options: DemoOptions;
  readonly #sizes: DemoSizes;

  constructor(options: DemoOptions) {
    this.#options = options;
    this.#sizes = scaledSizes(options.scale);
  }

  /** The corpus of these languages, or what is missing of it. */
  async prepare(): Promise<void> {
    await this.#timed('set-up/corpus', () => makeCorpus({ out: 'corpus', target: this.#options.languages }));
  }

  async adapt(lang: string): Promise<LanguageResults> {
    const folder = join(this.#options.out, lang);
    const evaluator = await Evaluator.open(folder, lang, this.#sizes);
    const first = lang === this.#options.languages[0];
    const phase = (name: string) => (first ? name : `${lang}/${name}`);
    const timed = <T>(name: string, work: () => Promise<T>) => this.#timed(phase(name), work);
    try {
      const plans = new TrainingPlans(folder, lang, { sizes: this.#sizes, seed: this.#options.seed });
      const trained = new Map<StageName, string>([['zero-shot', shipped.base]]);
      const run = async (stage: StageName, plan: TrainingPlan) => {
        await timed(`${stage}/train`, () => trainOnce(plan));
        this.phases[phase(`${stage}/train`)] = secondsOf(plan);
        // Not the best by validation loss, which says little of samples: docs/LOG.md, 2026-11-28.
        trained.set(stage, join(plan.out, 'last'));
      };
      await run('fine-tune', plans.fineTune());
      const fineTuned = trained.get('fine-tune')!;
      await run('fine-tune+grpo', plans.grpo(fineTuned, 'fine-tune+grpo'));
      if (this.#options.full && first) {
        // Either alone, for as long as both.
        const ratio = this.phases['fine-tune+grpo/train']! / this.phases['fine-tune/train']!;
        const [fineTuneSteps, grpoSteps] = [
          Math.round(this.#sizes.fineTuneSteps * (1 + Math.min(10, ratio))),
          Math.round(this.#sizes.grpoSteps * (1 + Math.min(10, 1 / ratio))),
        ];
        await run('fine-tune-longer', plans.fineTune(fineTuneSteps, 'fine-tune-longer'));
        const longer = trained.get('fine-tune-longer')!;
        await run('fine-tune-longer+grpo', plans.grpo(longer, 'fine-tune-longer+grpo'));
        await run('grpo', plans.grpo(shipped.base, 'grpo', grpoSteps));
        await run('dpo', plans.dpo(fineTuned));
      }
      for (const [stage, model] of trained) await timed(`${stage}/evaluate`, () => evaluator.test(stage, model));
      await timed('recordings/evaluate', () => evaluator.ceilings());
      await timed('forgetting/evaluate', () => evaluator.forgetting(trained.get('fine-tune+grpo')!));
      return { ...evaluator.results(), series: seriesOf(folder, lang, [...trained.keys()]) };
    } finally {
      await evaluator.close();
    }
  }

  async #timed<T>(phase: string, work: () => Promise<T>): Promise<T> {
    console.log(`\n${phase}`);
    const start = Date.now();
    try {
      return await work();
    } finally {
      this.phases[phase] = (this.phases[phase] ?? 0) + (Date.now() - start) / 1000;
    }
  }
}

/** Runs a training, or goes on with one that was interrupted; one that is complete takes no time. */
async function trainOnce({ stage, out, config, set }: TrainingPlan): Promise<void> {
  await train(stage, { config, set, out, resume: existsSync(join(out, 'checkpoints')) });
}

/** Seconds that a training took, also where an earlier run of the demo did it. */
function secondsOf({ out }: TrainingPlan): number {
  return JSON.parse(readFileSync(join(out, 'metrics.jsonl'), 'utf8').trim().split('\n').at(-1)!).time;
}

function seriesOf(folder: string, lang: string, stages: readonly StageName[]): Partial<Record<StageName, string>> {
  const found = stages.filter((stage) => existsSync(join(folder, stage, 'metrics.jsonl')));
  return Object.fromEntries(found.map((stage) => [stage, join(lang, stage, 'metrics.jsonl')]));
}

function printTable({ stages, ceilings, elapsedSec }: Summary): void {
  const percent = (value: { mean: number; low: number; high: number } | undefined) =>
    value ? `${(100 * value.mean).toFixed(1)} [${(100 * value.low).toFixed(1)}, ${(100 * value.high).toFixed(1)}]` : '';
  const plain = (value: { mean: number } | undefined) => (value ? value.mean.toFixed(3) : '');
  const rows = stages.map((row) => ({
    stage: row.name,
    guidance: row.guidance ?? 1,
    'CER %': percent(row.cer),
    'CER % held-out judge': percent(row.cerHeldOut),
    SSIM: plain(row.ssim),
    'SSIM held-out': plain(row.ssimHeldOut),
    quality: plain(row.quality),
  }));
  const { resynthesis } = ceilings ?? {};
  console.table(rows);
  console.log(
    `recordings through the codec: CER ${percent(resynthesis?.cer)}, held-out ${percent(resynthesis?.cerHeldOut)}`,
  );
  console.log(`${formatDuration(elapsedSec ?? 0)} in all`);
}
