import { type DotRow, dotPlot } from './dot-plot.js';
import { formatMeasure, formatNumber, formatRange, intervalOf, languageName, type NumberKind } from './format.js';
import { html, type Markup } from './html.js';
import { audioLabels, beforeAndAfter, stageClass, stageLabel } from './stages.js';
import type { CheckedSummary, Measure, Results, ScoreName, Stage } from './summary.js';

interface Metric {
  readonly name: ScoreName;
  readonly title: string;
  readonly short: string;
  readonly about: string;
  readonly kind: NumberKind;
  /** Values the axis has to reach. */
  readonly include: number[];
}

/** Everything that speech is judged by, in the order it is shown. */
export const metrics: readonly Metric[] = [
  {
    name: 'cerHeldOut',
    title: 'Character error rate, held-out recogniser',
    short: 'CER, held-out',
    about: 'Lower is better. This recogniser is never a reward.',
    kind: 'percent',
    include: [0],
  },
  {
    name: 'cer',
    title: 'Character error rate, reward recogniser',
    short: 'CER, reward',
    about: 'Lower is better. GRPO is rewarded by this one.',
    kind: 'percent',
    include: [0],
  },
  {
    name: 'ssimHeldOut',
    title: 'Speaker similarity, held-out net',
    short: 'SSIM, held-out',
    about: 'Higher is better. Cosine to the voice prompt; never a reward.',
    kind: 'score',
    include: [],
  },
  {
    name: 'ssim',
    title: 'Speaker similarity, reward net',
    short: 'SSIM, reward',
    about: 'Higher is better. Cosine to the voice prompt.',
    kind: 'score',
    include: [],
  },
  {
    name: 'quality',
    title: 'Estimated quality',
    short: 'Quality',
    about: 'Higher is better, from 0 to 1.',
    kind: 'score',
    include: [],
  },
  {
    name: 'lengthRatio',
    title: 'Length of speech',
    short: 'Length',
    about: 'Relative to the recording; best at 1.',
    kind: 'score',
    include: [1],
  },
  { name: 'cerCumulative', title: '', short: 'CER, cumulative', about: '', kind: 'percent', include: [] },
  {
    name: 'cerHeldOutCumulative',
    title: '',
    short: 'CER, held-out, cumulative',
    about: '',
    kind: 'percent',
    include: [],
  },
  { name: 'cerTrimmed', title: '', short: 'CER without runaways', about: '', kind: 'percent', include: [] },
  { name: 'runawayRate', title: '', short: 'Runaways', about: '', kind: 'percent', include: [] },
];

type Scored = Partial<Record<ScoreName, Measure | undefined>>;

/** A row of the results: a stage, or real audio that the same judges heard. */
interface Scores {
  readonly label: string;
  readonly colour: string;
  readonly shape: 'dot' | 'ring' | 'diamond';
  readonly scores: Scored;
}

function rowsOf({ stages, ceilings }: Results): Scores[] {
  const models = stages.map((stage): Scores => {
    const shape = stage.guidance === 1 ? 'dot' : 'ring';
    return { label: stageLabel(stage), colour: stageClass(stage.name), shape, scores: stage };
  });
  const real = (['resynthesis', 'recording'] as const).flatMap((name): Scores[] => {
    const scores = ceilings?.[name];
    return scores ? [{ label: audioLabels[name], colour: 's-real', shape: 'diamond', scores }] : [];
  });
  return [...models, ...real];
}

/** The results of one language: a dot plot per metric, and every number in a table. */
export function resultsSection(results: Results, language: string, id: string): Markup {
  const rows = rowsOf(results);
  const cards = metrics.filter(({ title, name }) => title && results.stages.some((stage) => stage[name] !== undefined));
  const { items, seeds, trainingSeeds } = results.stages[0]!;
  const rings = results.stages.some(({ guidance }) => guidance !== 1);
  return html`<section id="${id}"><h2>Results: ${languageName(language)}</h2>
<p class="note">${items} held-out utterances, ${plural(seeds, 'sampling seed')}${trainingSeeds && `, ${plural(trainingSeeds, 'trained model')}`}. A dot is the mean, the line through it the 95 % interval.
${rings && 'A ring is the same model with guidance, which costs a second pass of the decoder for every frame. '}${results.ceilings && 'A diamond is real audio before the same judges: about as good as it can get.'}</p>
<div class="cards">${cards.map((metric) => card(metric, rows))}</div>
<details><summary>All numbers</summary>${numbersTable(rows, results.stages)}${breakdowns(results.stages)}</details></section>`;
}

const plural = (count: number, thing: string) => `${count} ${thing}${count === 1 ? '' : 's'}`;

function card({ name, title, about, kind, include }: Metric, rows: readonly Scores[]): Markup {
  const dotRows = rows.flatMap(({ label, colour, shape, scores }): DotRow[] => {
    const measure = scores[name];
    return measure === undefined ? [] : [{ label, dots: [{ measure, colour, shape }] }];
  });
  return html`<figure class="card"><figcaption><b>${title}</b> <small>${about}</small></figcaption>${dotPlot(dotRows, { kind, include })}</figure>`;
}

function numbersTable(rows: readonly Scores[], stages: readonly Stage[]): Markup {
  return scoreTable(
    '',
    rows.map(({ label, colour, scores }, i) => ({ label, colour, scores, items: stages[i]?.items })),
  );
}

function breakdowns(stages: readonly Stage[]): Markup[] {
  return stages.flatMap((stage) => {
    if (!stage.rows?.length) return [];
    const rows = stage.rows.map(({ label, items, ...scores }) => ({
      label,
      items,
      scores,
      colour: stageClass(stage.name),
    }));
    return [html`<h3>${stageLabel(stage)}, in parts</h3>${scoreTable('part', rows)}`];
  });
}

type TableRow = Pick<Scores, 'label' | 'colour' | 'scores'> & { items: number | undefined };

function scoreTable(head: string, rows: readonly TableRow[]): Markup {
  const shown = metrics.filter(({ name }) => rows.some(({ scores }) => scores[name] !== undefined));
  return html`<div class="scroll"><table><thead><tr><th>${head}</th>${shown.map(({ short }) => html`<th>${short}</th>`)}<th>Items</th></tr></thead>
<tbody>${rows.map(
    ({ label, colour, scores, items }) => html`<tr><th><span class="chip ${colour}"><i></i>${label}</span></th>
${shown.map(({ name, kind }) => html`<td>${scores[name] === undefined ? '–' : formatMeasure(scores[name], kind)}</td>`)}<td>${items ?? '–'}</td></tr>`,
  )}</tbody></table></div>`;
}

/** The sentence the report opens with, and the four numbers under it. */
export function headline(summary: CheckedSummary): Markup {
  const { before, after } = beforeAndAfter(summary.stages);
  const name = before.cerHeldOut && (!after || after.cerHeldOut) ? 'cerHeldOut' : 'cer';
  const [from, to] = [before[name]!, after?.[name]];
  const language = languageName(summary.language);
  if (!after || !to) {
    const text = `${language}: ${formatNumber(from.mean, 'percent')} of the characters are wrong`;
    return html`<h1>${text}</h1><p class="lead">95 % interval ${formatMeasure(from, 'percent')}, ${stageLabel(before)}.</p>`;
  }
  const judge =
    name === 'cerHeldOut' ? 'a recogniser that was never a reward' : 'the recogniser that is also the reward';
  const overlap = to.high >= from.low && from.high >= to.low;
  return html`<h1>${language}: character error rate from ${formatNumber(from.mean, 'percent')} to ${formatNumber(to.mean, 'percent')}</h1>
<p class="lead">From ${formatMeasure(from, 'percent')} ${audioLabels[before.name]} to ${formatMeasure(to, 'percent')} after ${audioLabels[after.name]}: ${change(from.mean, to.mean)}, as heard by ${judge}. Brackets are 95 % intervals.${overlap && ' The 95 % intervals overlap: this may be chance.'}</p>
<div class="tiles">${(['cerHeldOut', 'cer', 'ssimHeldOut', 'quality'] as const).map((metric) => tile(metric, before, after))}</div>`;
}

function change(from: number, to: number): string {
  if (from === to) return 'no change';
  if (to === 0 || from === 0) return to < from ? 'no errors left' : 'errors where there were none';
  const ratio = to < from ? from / to : to / from;
  const factor = ratio >= 10 ? ratio.toFixed(0) : ratio >= 2 ? ratio.toFixed(1) : ratio.toFixed(2);
  return `${factor} times ${to < from ? 'fewer' : 'more'} errors`;
}

function tile(name: ScoreName, before: Stage, after: Stage): Markup | undefined {
  const { short, kind } = metrics.find((metric) => metric.name === name)!;
  const [from, to] = [before[name], after[name]];
  if (from === undefined || to === undefined) return undefined;
  const [start, end] = [intervalOf(from), intervalOf(to)];
  return html`<div class="tile"><small>${short}</small><div><span>${formatNumber(start.mean, kind)}</span> → <b>${formatNumber(end.mean, kind)}</b></div><small>${formatRange(from, kind)} → ${formatRange(to, kind)}</small></div>`;
}
