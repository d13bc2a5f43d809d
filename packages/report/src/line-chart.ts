import { type Axis, axisOver, place } from './axis.js';
import { tickLabel } from './dot-plot.js';
import { type NumberKind, significant } from './format.js';
import { html, type Markup } from './html.js';
import { smooth, thin } from './metrics.js';

/** One line of a chart. */
export interface Line {
  readonly label: string;
  readonly steps: readonly number[];
  readonly values: readonly number[];
  /** CSS class with the colour, or a colour. */
  readonly colour: { className: string } | { css: string };
}

export interface LineChart {
  readonly title: string;
  /** What the values are measured in, or what they are the share of. */
  readonly unit: string;
  readonly kind: NumberKind;
  readonly lines: readonly Line[];
  /** A legend is drawn for more than one line. */
  readonly legend: boolean;
}

/** Units of the drawing; the browser stretches it to the room there is. */
const extent = 2000;
const mostPoints = 300;
/** From this many points on a moving average is drawn over the values. */
const smoothFrom = 40;

/** A chart of values over update steps; it grows with its container, and its text does not. */
export function lineChart({ title, unit, kind, lines, legend }: LineChart): Markup {
  const y = axisOver(
    lines.flatMap(({ values }) => values),
    { include: kind === 'percent' ? [0] : [], count: 3 },
  );
  const x = axisOver(
    lines.flatMap(({ steps }) => steps),
    { count: 5 },
  );
  // Steps end where the run ended, not at the next round number.
  const last = Math.max(...lines.map(({ steps }) => steps.at(-1)!));
  const tight = last > x.low ? { ...x, high: last, ticks: x.ticks.filter((tick) => tick <= last) } : x;
  const hover = lines.map((line) => hoverData(line));
  return html`<figure class="chart"><figcaption><b>${title}</b> <small>${unit}</small></figcaption>
${legend && lines.length > 1 && html`<div class="legend">${lines.map(({ label, colour }) => html`<span class="chip ${classOf(colour)}" style="${styleOf(colour)}"><i></i>${label}</span>`)}</div>`}
<div class="plot-frame"><div class="y-ticks">${y.ticks.map((tick) => html`<span style="bottom:${percent(y, tick)}">${tickLabel(tick, y, kind)}</span>`)}</div>
<div class="plot" data-x="${tight.low} ${tight.high}" data-kind="${kind}" data-lines="${JSON.stringify(hover)}">
<svg viewBox="0 0 ${extent} ${extent}" preserveAspectRatio="none" role="img" aria-label="${title}, ${unit}: ${ends(lines)}">
${y.ticks.map((tick) => html`<path class="grid" d="M0 ${down(y, tick)}H${extent}"/>`)}${lines.map((line) => drawLine(line, tight, y))}</svg>
</div><small class="step">step</small><div class="ticks">${tight.ticks.map((tick) => html`<span style="left:${percent(tight, tick)}">${significant(tick)}</span>`)}</div></div></figure>`;
}

function drawLine({ steps, values, colour }: Line, x: Axis, y: Axis): Markup {
  const path = (shown: readonly number[]) =>
    thin(shown, mostPoints)
      .map((i, at) => `${at === 0 ? 'M' : 'L'}${across(x, steps[i]!)} ${down(y, shown[i]!)}`)
      .join('');
  // A path of one point has no length; its round cap is the dot.
  const close = values.length === 1 ? 'h0' : '';
  const averaged = values.length >= smoothFrom;
  return html`<g class="${classOf(colour)}" style="${styleOf(colour)}">${averaged && html`<path class="raw" d="${path(values)}"/>`}<path class="line${values.length === 1 && ' point'}" d="${path(averaged ? smooth(values) : values)}${close}"/></g>`;
}

function hoverData({ label, steps, values, colour }: Line) {
  const places = thin(values, mostPoints);
  return {
    label,
    colour: 'css' in colour ? colour.css : '',
    className: classOf(colour),
    x: places.map((i) => steps[i]!),
    y: places.map((i) => Number(values[i]!.toPrecision(4))),
  };
}

const across = (axis: Axis, value: number) => Math.round(extent * place(axis, value));
const down = (axis: Axis, value: number) => Math.round(extent * (1 - place(axis, value)));
const percent = (axis: Axis, value: number) => `${(100 * place(axis, value)).toFixed(2)}%`;
const classOf = (colour: Line['colour']) => ('className' in colour ? colour.className : '');
const styleOf = (colour: Line['colour']) => ('css' in colour ? `--c:${colour.css}` : '');

/** What the chart shows, for those who hear it. */
const ends = (lines: readonly Line[]) =>
  lines
    .map(({ label, values }) => `${label} from ${significant(values[0]!)} to ${significant(values.at(-1)!)}`)
    .join('; ');
