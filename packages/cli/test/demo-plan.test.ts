import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadConfig, stages } from '@align2speak/train';
import { describe, expect, it } from 'vitest';
import {
  demoSizes,
  judgesOf,
  scaledSizes,
  shipped,
  type TrainingPlan,
  TrainingPlans,
  targetLanguages,
} from '../src/demo-plan.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const plans = new TrainingPlans('runs/demo/pt', 'pt', { sizes: demoSizes, seed: 5 });
const load = ({ stage, config, set }: TrainingPlan) =>
  loadConfig(stages[stage].schema, `${root}/${config}`, set) as Promise<Record<string, unknown>>;

describe('trainings of the demo', () => {
  it.each([
    ['fine-tune', plans.fineTune(), { steps: demoSizes.fineTuneSteps, selectBy: ['pt'], init: shipped.base }],
    ['fine-tune-longer', plans.fineTune(777, 'fine-tune-longer'), { steps: 777 }],
    [
      'fine-tune+grpo',
      plans.grpo('runs/x/best', 'fine-tune+grpo'),
      { init: 'runs/x/best', steps: demoSizes.grpoSteps },
    ],
    ['grpo', plans.grpo(shipped.base, 'grpo'), { init: shipped.base }],
    ['dpo', plans.dpo('runs/x/best'), { init: 'runs/x/best', pairPrompts: 12 * demoSizes.grpoSteps }],
  ])('%s has a recipe, and the settings over it are such as its stage takes', async (name, plan, expected) => {
    expect(plan.out).toBe(`runs/demo/pt/${name}`);
    expect(await load(plan)).toMatchObject({ seed: 5, codec: shipped.codec, ...expected });
  });

  it('have as many times the updates as --scale says, and the same tests', () => {
    expect(scaledSizes(2.5)).toEqual({ ...demoSizes, fineTuneSteps: 1000, grpoSteps: 275 });
  });

  it('reward what the held-out judges do not hear', async () => {
    for (const lang of targetLanguages) {
      const own = new TrainingPlans('runs/demo', lang, { sizes: demoSizes, seed: 1 });
      for (const plan of [own.grpo('runs/x/best', 'grpo'), own.dpo('runs/x/best')]) {
        const { rewards } = (await load(plan)) as { rewards: { use: string; judge?: string; weight: number }[] };
        const { recogniser, heldOutRecogniser, speaker, quality } = judgesOf(lang);
        expect(rewards.filter(({ weight }) => weight === 0).map(({ judge }) => judge)).toEqual([heldOutRecogniser]);
        const rewarding = rewards.filter(({ weight }) => weight > 0).map(({ use, judge }) => [use, judge]);
        expect(Object.fromEntries(rewarding)).toEqual({ cer: recogniser, ssim: speaker, quality, pace: undefined });
      }
    }
  });
});

it('every recipe of the tiny models is one of a stage', async () => {
  const folder = `${root}/packages/train/recipes/tiny`;
  const stageOf: Record<string, keyof typeof stages> = {
    codec: 'codec',
    base: 'pretrain',
    finetune: 'finetune',
    grpo: 'grpo',
    dpo: 'dpo',
  };
  for (const file of readdirSync(folder)) {
    const stage = stageOf[file.replace('.yaml', '')] ?? 'judge';
    await expect(loadConfig(stages[stage].schema, `${folder}/${file}`), file).resolves.toBeDefined();
  }
});
