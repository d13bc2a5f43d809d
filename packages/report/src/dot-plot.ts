import { type Axis, axisOver, place } from './axis.js';
import { formatNumber, formatRange, intervalOf, type NumberKind, percentSign } from './format.js';
import { html, type Markup } from './html.js';
import type { Measure } from './summary.js';

/** One dot with its whiskers. */
export interface Dot {
  readonly measure: Measure;
  /** CSS class with the colour. */
  readonly colour: string;
  /** `ring` for a variant of a filled dot, `diamond` for what is no model. */
  readonly shape: 'dot' | 'ring' | 'diamond';
}

/** A row of a dot plot: a label, one dot or two, and numbers. */
export interface DotRow {
  readonly label: string;
  readonly dots: readonly Dot[];
}

/**
 * A plot with one row per label, a dot at each mean and a line from the low to the high end of its interval.
 *
 * Positions are percentages, so the plot is as wide as it may be while text and dots keep their size.
 */
export function dotPlot(rows: readonly DotRow[], { kind, include }: { kind: NumberKind; include: number[] }): Markup {
  const ends = rows.flatMap(({ dots }) => dots.flatMap(({ measure }) => Object.values(intervalOf(measure))));
  const axis = axisOver(ends, { include });
  return html`<div class="dots">${rows.map((row) => dotRow(row, axis, kind))}
<div class="dots-axis"><span></span><div class="ticks">${axis.ticks.map(
    (tick) => html`<span style="left:${percent(axis, tick)}">${tickLabel(tick, axis, kind)}</span>`,
  )}</div><span></span></div></div>`;
}

function dotRow({ label, dots }: DotRow, axis: Axis, kind: NumberKind): Markup {
  const title = dots.map(
    ({ measure }) => `${formatNumber(intervalOf(measure).mean, kind)} ${formatRange(measure, kind)}`,
  );
  return html`<div class="dots-row"><span class="dots-label">${label}</span>
<svg class="strip" role="img" aria-label="${label}: ${title.join(', then ')}">${axis.ticks.map(
    (tick) => html`<line class="grid" x1="${percent(axis, tick)}" x2="${percent(axis, tick)}" y1="0" y2="100%"/>`,
  )}${dots.map((dot, i) => drawDot(dot, axis, `${(100 * (i + 1)) / (dots.length + 1)}%`))}</svg>
<span class="dots-number">${dots.map(
    ({ measure }) =>
      html`<span><b>${formatNumber(intervalOf(measure).mean, kind)}</b> <small>${formatRange(measure, kind)}</small></span>`,
  )}</span></div>`;
}

function drawDot({ measure, colour, shape }: Dot, axis: Axis, y: string): Markup {
  const { mean, low, high } = intervalOf(measure);
  const x = percent(axis, mean);
  const whisker = html`<line class="whisker" x1="${percent(axis, low)}" x2="${percent(axis, high)}" y1="${y}" y2="${y}"/>`;
  const mark =
    shape === 'diamond'
      ? html`<svg x="${x}" y="${y}" overflow="visible"><path class="dot" d="M0 -6L6 0L0 6L-6 0Z"/></svg>`
      : html`<circle class="${shape}" cx="${x}" cy="${y}" r="${shape === 'ring' ? 4.5 : 5.5}"/>`;
  return html`<g class="${colour}">${low < high && whisker}${mark}</g>`;
}

const percent = (axis: Axis, value: number) => `${(100 * place(axis, value)).toFixed(2)}%`;

/** The unit stands at the last tick only. */
export function tickLabel(tick: number, axis: Axis, kind: NumberKind): string {
  if (kind !== 'percent') return formatNumber(tick, 'number');
  const unit = tick === axis.ticks.at(-1) ? percentSign : '';
  return `${formatNumber(Number((100 * tick).toPrecision(6)), 'number')}${unit}`;
}
