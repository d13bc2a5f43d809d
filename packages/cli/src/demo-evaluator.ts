import { mkdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { writeWav } from '@align2speak/audio';
import { decodeCodes, loadCodec } from '@align2speak/codec';
import {
  comparePaired,
  evaluateRecordings,
  evaluateTts,
  type ItemScore,
  loadTestSet,
  openPanel,
  type Panel,
  summarise,
  type TestPrompt,
} from '@align2speak/evaluate';
import type { Codec } from '@align2speak/native';
import type { Summary } from '@align2speak/report';
import { Progress } from '@align2speak/train';
import { loadTts } from '@align2speak/tts';
import { type DemoSizes, judgesOf, type StageName, shipped, sourceLanguages } from './demo-plan.js';
import { kept } from './kept.js';

type StageRow = Summary['stages'][number];
type Sample = NonNullable<Summary['samples']>[number];

/** Guidance scales that every model is tested under; 1 is off. */
const guidances = [1, 2];
/** Test texts whose audio goes into the report. */
const listened = 4;
const contextFrames = 20;
const sampling = { temperature: 0.7, minFrames: 4 };
const maxFrames = 130;

/** Which stages stand against which in the table of differences. */
const pairs: [StageName, StageName][] = [
  ['fine-tune', 'zero-shot'],
  ['fine-tune+grpo', 'zero-shot'],
  ['fine-tune+grpo', 'fine-tune'],
  ['fine-tune+grpo', 'fine-tune-longer'],
  ['fine-tune-longer+grpo', 'fine-tune-longer'],
  ['fine-tune-longer+grpo', 'zero-shot'],
  ['fine-tune+grpo', 'dpo'],
  ['grpo', 'zero-shot'],
  ['grpo', 'fine-tune'],
];

/** Tests the models of one language on texts and voices that none of them ever met. Finished tests are kept in files. */
export class Evaluator {
  readonly #folder: string;
  readonly #judges: readonly string[];
  readonly #sizes: DemoSizes;
  readonly #codec: Codec;
  readonly #panel: Panel & { close(): Promise<void> };
  readonly #prompts: readonly TestPrompt[];
  readonly #items = new Map<string, ItemScore[]>();
  readonly #samples: Sample[];
  #ceilings: Summary['ceilings'];
  #sourceLanguages: Summary['sourceLanguages'];

  private constructor(parts: {
    folder: string;
    judges: readonly string[];
    sizes: DemoSizes;
    codec: Codec;
    panel: Panel & { close(): Promise<void> };
    prompts: readonly TestPrompt[];
  }) {
    this.#folder = parts.folder;
    this.#judges = parts.judges;
    this.#sizes = parts.sizes;
    this.#codec = parts.codec;
    this.#panel = parts.panel;
    this.#prompts = parts.prompts;
    this.#samples = this.#listened().map(({ name, ipa, text, speaker }) => ({
      prompt: name,
      ipa,
      text,
      voice: speaker,
      files: {},
      cer: {},
    }));
  }

  static async open(folder: string, lang: string, sizes: DemoSizes): Promise<Evaluator> {
    await mkdir(join(folder, 'evaluations'), { recursive: true });
    const files = judgesOf(lang);
    const panel = await openPanel(files);
    const codec = await loadCodec(shipped.codec);
    const prompts = await loadTestSet(testSet(lang, sizes.items));
    return new Evaluator({ folder, judges: Object.values(files), sizes, codec, panel, prompts });
  }

  /** Tests a model under each guidance scale, and keeps the audio of some texts without guidance. */
  async test(stage: StageName, modelFolder: string): Promise<void> {
    for (const guidance of guidances) {
      const name = `${stage}@${guidance}`;
      const items = await this.#kept(name, [...this.#judges, weightsOf(modelFolder)], async () => {
        const model = await loadTts(modelFolder);
        const progress = new Progress(name, this.#prompts.length * this.#sizes.seeds.length);
        const { items, wavs } = await evaluateTts({ model, codec: this.#codec, panel: this.#panel }, this.#prompts, {
          seeds: this.#sizes.seeds,
          sampling: { ...sampling, guidance },
          maxFrames,
          onProgress: (done) => progress.show(done),
        });
        progress.end();
        model.dispose();
        if (guidance === 1)
          for (const { name: prompt } of this.#listened())
            await this.#write(stage, prompt, wavs[this.#prompts.findIndex((each) => each.name === prompt)]!);
        return items;
      });
      this.#items.set(name, items);
      if (guidance === 1) this.#listen(stage, items);
    }
  }

  /** What the judges say of the recordings of the same texts, as they are and through the codec. */
  async ceilings(): Promise<void> {
    const { sampleRate } = this.#codec.config;
    const judge = () => evaluateRecordings({ codec: this.#codec, panel: this.#panel }, this.#prompts);
    const both = await this.#kept('recordings', this.#judges, async () => {
      const { recording, resynthesis } = await judge();
      for (const prompt of this.#listened()) {
        await this.#write('recording', prompt.name, prompt.recording.wav);
        await this.#write('voice prompt', prompt.name, prompt.voiceWav);
        const [wav] = await decodeCodes(this.#codec, [prompt.recording.codes]);
        await this.#write('resynthesis', prompt.name, wav!, sampleRate);
      }
      return [...recording, ...resynthesis];
    });
    const [recording, resynthesis] = [both.slice(0, both.length / 2), both.slice(both.length / 2)];
    this.#ceilings = { recording: scoresOf(recording), resynthesis: scoresOf(resynthesis) };
    for (const name of ['recording', 'voice prompt', 'resynthesis'] as const) this.#listen(name);
  }

  /** Error rates in the languages of the base model, before and after. */
  async forgetting(adapted: string): Promise<void> {
    // The target's recognisers know no other language.
    const panel = await openPanel({ recogniser: shipped.multilingualRecogniser });
    const test = async (name: string, folder: string) => {
      const rates: Record<string, { mean: number; low: number; high: number }> = {};
      for (const lang of sourceLanguages) {
        const sources = [shipped.multilingualRecogniser, weightsOf(folder)];
        const items = await this.#kept(`${name}-${lang}`, sources, async () => {
          const model = await loadTts(folder);
          const prompts = await loadTestSet(testSet(lang, this.#sizes.sourceItems));
          const { items } = await evaluateTts({ model, codec: this.#codec, panel }, prompts, {
            seeds: [1],
            sampling,
            maxFrames,
          });
          model.dispose();
          return items;
        });
        rates[lang] = summarise(items).cer;
      }
      return rates;
    };
    try {
      this.#sourceLanguages = { before: await test('before', shipped.base), after: await test('after', adapted) };
    } finally {
      await panel.close();
    }
  }

  /** Everything that was tested, as the summary has it. */
  results() {
    const stages = [...this.#items].map(([name, items]): StageRow => {
      const [stage, guidance] = name.split('@') as [StageName, string];
      const { items: _, prompts, seeds, failures: __, cerHeldOutCumulative: ___, ...scores } = summarise(items);
      return { name: stage, guidance: Number(guidance), ...scores, items: prompts, seeds };
    });
    const comparisons = pairs.flatMap(([a, b]) => {
      const [left, right] = [this.#items.get(`${a}@1`), this.#items.get(`${b}@1`)];
      if (!left || !right) return [];
      return (['cer', 'cerHeldOut', 'ssim', 'lengthRatio'] as const).map((metric) => {
        const { difference, ratio } = comparePaired(left, right, { metric });
        return { a, b, metric, difference, ratio: ratio.mean };
      });
    });
    return {
      stages,
      comparisons,
      samples: this.#samples,
      ceilings: this.#ceilings!,
      sourceLanguages: this.#sourceLanguages!,
    };
  }

  async close(): Promise<void> {
    await this.#panel.close();
    this.#codec.dispose();
  }

  #listened(): readonly TestPrompt[] {
    const step = Math.max(1, Math.floor(this.#prompts.length / listened));
    return this.#prompts.filter((_, i) => i % step === 0).slice(0, listened);
  }

  /** The scores in a file of this name, where judges, codec and model are still the same, or those that `make` makes. */
  #kept(name: string, sources: readonly string[], make: () => Promise<ItemScore[]>): Promise<ItemScore[]> {
    const path = join(this.#folder, 'evaluations', `${name}.json`);
    return kept(path, [weightsOf(shipped.codec), ...sources], make);
  }

  #wavPath(name: string, prompt: string): string {
    const index = this.#prompts.findIndex((each) => each.name === prompt);
    return join(this.#folder, 'samples', `${index}-${name.replace(/\W+/g, '-')}.wav`);
  }

  async #write(name: string, prompt: string, wav: Float32Array, sampleRate = this.#codec.config.sampleRate) {
    await mkdir(join(this.#folder, 'samples'), { recursive: true });
    await writeWav(this.#wavPath(name, prompt), wav, sampleRate);
  }

  /** Puts the audio of a stage, and what was heard of it, beside the sample's others. */
  #listen(name: keyof Sample['files'], items: readonly ItemScore[] = []): void {
    for (const sample of this.#samples) {
      sample.files[name] = relative(join(this.#folder, '..'), this.#wavPath(name, sample.prompt));
      const item = items.find(({ prompt, seed }) => prompt === sample.prompt && seed === this.#sizes.seeds[0]);
      if (item) sample.cer![name] = item.cerErrors / item.cerLength;
    }
  }
}

const weightsOf = (model: string) => join(model, 'weights.safetensors');

const testSet = (lang: string, most: number) => ({
  manifest: `corpus/test/${lang}.jsonl`,
  // Prompts in other languages than the target, so that no target audio is needed to name a voice.
  voices: sourceLanguages.filter((other) => other !== lang).map((other) => `corpus/test/${other}.jsonl`),
  codec: shipped.codec,
  contextFrames,
  most,
});

function scoresOf(items: readonly ItemScore[]) {
  const { cer, cerHeldOut, ssim, ssimHeldOut, quality, prompts } = summarise(items);
  return {
    cer,
    ...(cerHeldOut && { cerHeldOut }),
    ...(ssim && { ssim }),
    ...(ssimHeldOut && { ssimHeldOut }),
    ...(quality && { quality }),
    items: prompts,
  };
}
