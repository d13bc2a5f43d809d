import type { NumberKind } from './format.js';
import { html, type Markup } from './html.js';
import { type Line, lineChart } from './line-chart.js';
import type { Curve } from './metrics.js';
import { audioLabels, stageChip, stageClass } from './stages.js';
import { type StageName, stageNames } from './summary.js';

interface Group {
  readonly title: string;
  readonly about: string;
  readonly match: RegExp;
  /** Shown on demand. */
  readonly folded?: boolean;
}

/** Where a curve is shown: in the first group that its name matches. */
const groups: readonly Group[] = [
  {
    title: 'Validation and held-out judges',
    about: 'Measured on data that nothing is trained on.',
    match: /^val(idation)?\/|^held-?out|^eval/i,
  },
  {
    title: 'Rewards',
    about:
      'Means over the rollouts of a step; what each reward measures and in which direction stands in the configuration. A held-out judge is only watched.',
    match: /^rewards?(\/|$)|^advantage/i,
  },
  { title: 'Loss', about: 'Averages over the batch of a step.', match: /loss(\/|$)|^train\//i },
  {
    title: 'Codebook by codebook',
    about: 'A codebook whose entropy falls to nothing has collapsed; gradient shares show who does the learning.',
    match: /\/\d+$/,
  },
  {
    title: 'Rollout against training',
    about:
      'The likelihood that the sampler saw and the one that is trained should be the same number; the gap is the largest difference.',
    match: /^policy\/|logprob|entropy|\bkl\b|kl$|ratio|clip/i,
  },
  {
    title: 'Groups and masks',
    about: 'Groups in which every rollout earned the same teach nothing and are skipped; failed samples are masked.',
    match: /^(groups|samples|failed|groupStd|bestOfGroup|alarm)\/|mask|zeroVar|runaway|share$/i,
  },
  { title: 'Optimiser and speed', about: 'Learning rate, gradient norm, seconds.', match: /./, folded: true },
];

/** Learning curves, grouped; nothing where there are none. */
export function curvePanels(curves: readonly Curve[]): Markup | undefined {
  if (curves.length === 0) return undefined;
  const stages = stageNames.filter((name) => curves.some(({ stage }) => stage === name));
  const rest = new Set(curves);
  const sections = groups.map(({ title, about, match, folded }) => {
    const own = [...rest].filter(({ key }) => match.test(key));
    for (const curve of own) rest.delete(curve);
    if (own.length === 0) return undefined;
    const charts = html`<p class="note">${about}</p><div class="charts">${[...panelsOf(own).values()].map(panel)}</div>`;
    return folded ? html`<details><summary>${title}</summary>${charts}</details>` : html`<h3>${title}</h3>${charts}`;
  });
  return html`<section id="curves"><h2>Learning curves</h2>
<p class="note">Over update steps. Where a line has many points, the thin one shows every step and the thick one a moving average. Point at a chart to read its values.</p>
${stages.length > 0 && html`<div class="legend">${stages.map((name) => stageChip(name, audioLabels[name]))}</div>`}${sections}</section>`;
}

/** Curves that share a chart: those of one name, or the numbered members of one family in one stage. */
function panelsOf(curves: readonly Curve[]): Map<string, Curve[]> {
  const panels = new Map<string, Curve[]>();
  for (const curve of curves) {
    const family = familyOf(curve.key);
    const id =
      family === undefined ? `${curve.key}\n${objectiveOf(curve)}` : `${family}\n${curve.stage}\n${curve.source}`;
    panels.set(id, [...(panels.get(id) ?? []), curve]);
  }
  return panels;
}

const familyOf = (key: string) => /^(.+)\/\d+$/.exec(key)?.[1];

/** Losses of different kinds of training have nothing to do with each other, so they share no axis. */
function objectiveOf({ key, stage }: Curve): string {
  if (!/^(?!val).*loss/i.test(key) || stage === undefined) return '';
  return stage.includes('grpo') ? 'grpo' : stage === 'dpo' ? 'dpo' : 'supervised';
}

function panel(curves: readonly Curve[]): Markup {
  const { key, stage } = curves[0]!;
  const family = familyOf(key);
  const kind = kindOf(key);
  const title = titleOf(family ?? key);
  if (family === undefined) {
    const stages = new Set(curves.map((curve) => curve.stage));
    const lines = curves.map((curve) => toLine(curve, curves));
    const unit = [unitOf(key), stages.size === 1 && stage && audioLabels[stage]].filter(Boolean).join(' · ');
    return lineChart({ title, unit, kind, lines, legend: stages.size > 1 });
  }
  const members = [...curves].sort((a, b) => indexOf(a) - indexOf(b));
  const lines = members.map((curve, i): Line => {
    const at = members.length > 1 ? Math.round((100 * i) / (members.length - 1)) : 0;
    const css = `color-mix(in oklab, var(--ramp-high) ${at}%, var(--ramp-low))`;
    return { label: String(indexOf(curve)), steps: curve.steps, values: curve.values, colour: { css } };
  });
  const unit = [unitOf(key), stage && audioLabels[stage]].filter(Boolean).join(' · ');
  return lineChart({ title, unit, kind, lines, legend: true });
}

const indexOf = ({ key }: Curve) => Number(key.slice(key.lastIndexOf('/') + 1));

function toLine(curve: Curve, others: readonly Curve[]): Line {
  const sameStage = others.filter(({ stage }) => stage === curve.stage);
  const seed = sameStage.length > 1 ? ` ${sameStage.indexOf(curve) + 1}` : '';
  const label = `${curve.stage === undefined ? 'this run' : audioLabels[curve.stage as StageName]}${seed}`;
  return { label, steps: curve.steps, values: curve.values, colour: { className: stageClass(curve.stage) } };
}

function kindOf(key: string): NumberKind {
  const shares = /(^|\/)cer|Cer(\/|$)|share(\/|$)|Share|^groups\/|^samples\/(masked|truncated)/i;
  return shares.test(key) && !key.startsWith('groupStd/') ? 'percent' : 'number';
}

/** Known units by name; a name that ends in its unit says it itself. */
function unitOf(key: string): string {
  if (/grad(ient)?Share/i.test(key)) return 'of the gradient norm';
  if (/bits$/i.test(key)) return 'bits';
  if (/entropy|logprob|\bkl\b/i.test(key)) return 'nats';
  if (/^(?!val).*loss/i.test(key)) return 'mean over the batch';
  if (/^seconds\/|Sec$/.test(key)) return 'seconds';
  return '';
}

const words: Record<string, string> = {
  cer: 'CER',
  ssim: 'SSIM',
  lr: 'learning rate',
  kl: 'KL',
  ce: 'cross-entropy',
  logprob: 'log-probability',
  grad: 'gradient',
};

/** `reward/cerHeldOut` as "Reward: CER held out". */
export function titleOf(key: string): string {
  const parts = key.split('/').map((part) =>
    part
      .replace(/([a-z\d])([A-Z])/g, '$1 $2')
      .split(/[\s_-]+/)
      .map((word) => words[word.toLowerCase()] ?? word.toLowerCase())
      .join(' '),
  );
  const text = parts.join(': ');
  return text.charAt(0).toUpperCase() + text.slice(1);
}
