import { html, type Markup } from './html.js';
import type { AudioName, Stage, StageName } from './summary.js';

/** What a stage, or the audio of one, is called where people read it. */
export const audioLabels: Readonly<Record<AudioName, string>> = {
  'zero-shot': 'zero-shot',
  'fine-tune': 'fine-tune',
  'fine-tune-longer': 'fine-tune, longer',
  'fine-tune+grpo': 'fine-tune + GRPO',
  'fine-tune-longer+grpo': 'fine-tune, longer + GRPO',
  grpo: 'GRPO alone',
  dpo: 'DPO',
  recording: 'recording',
  resynthesis: 'recording through the codec',
  'voice prompt': 'voice prompt',
};

/** CSS class that carries the colour of a stage, the same everywhere in the report. */
export function stageClass(name: AudioName | undefined): string {
  return name === undefined ? 's-run' : `s-${name.replace('+', '-').replace(' ', '-')}`;
}

/** `fine-tune + GRPO, guidance 2`. */
export function stageLabel({ name, guidance }: Pick<Stage, 'name' | 'guidance'>): string {
  return guidance === 1 ? audioLabels[name] : `${audioLabels[name]}, guidance\u00a0${guidance}`;
}

/** A name beside a dot of the stage's colour. */
export function stageChip(name: StageName | undefined, label: string): Markup {
  return html`<span class="chip ${stageClass(name)}"><i></i>${label}</span>`;
}

/** The row a comparison starts from and the one it is about; both without guidance where such rows exist. */
export function beforeAndAfter(stages: readonly Stage[]): { before: Stage; after: Stage | undefined } {
  const plain = stages.filter(({ guidance }) => guidance === 1);
  const pool = plain.length > 0 ? plain : stages;
  const find = (...names: StageName[]) => names.map((name) => pool.find((stage) => stage.name === name)).find(Boolean);
  const before = find('zero-shot') ?? pool[0]!;
  const after = find('fine-tune+grpo', 'grpo', 'dpo', 'fine-tune-longer', 'fine-tune');
  return { before, after: after === before ? undefined : after };
}
