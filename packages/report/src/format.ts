import type { Interval, Measure } from './summary.js';

/** How a number is shown: a share as percent, a score in [-1, 1] with three decimals, anything else with three digits. */
export type NumberKind = 'percent' | 'score' | 'number';

/** Kept on the line of its number. */
export const percentSign = '\u00a0%';

const minus = (text: string) => text.replaceAll('-', '−');

/** A number without its unit. */
function bare(value: number, kind: NumberKind): string {
  if (kind === 'percent') return minus((100 * value).toFixed(1));
  return kind === 'score' ? minus(value.toFixed(3)) : significant(value);
}

export function formatNumber(value: number, kind: NumberKind): string {
  return kind === 'percent' ? `${bare(value, kind)}${percentSign}` : bare(value, kind);
}

/** `[low, high]`, without a unit; nothing for a number that came without an interval. */
export function formatRange(measure: Measure, kind: NumberKind): string {
  if (typeof measure === 'number') return '';
  return `[${bare(measure.low, kind)},\u00a0${bare(measure.high, kind)}]`;
}

/** A measure with its interval, where it has one. */
export function formatMeasure(measure: Measure, kind: NumberKind): string {
  return [formatNumber(intervalOf(measure).mean, kind), formatRange(measure, kind)].filter(Boolean).join(' ');
}

/** A plain number as the interval that is only itself. */
export function intervalOf(measure: Measure): Interval {
  return typeof measure === 'number' ? { mean: measure, low: measure, high: measure } : measure;
}

/** Three significant digits; a power of ten where plain digits would be mostly zeros. */
export function significant(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) {
    const [digits, exponent] = value.toExponential(2).split('e') as [string, string];
    return minus(`${Number(digits)}e${Number(exponent)}`);
  }
  return minus(String(Number(value.toPrecision(size >= 1000 ? 6 : 3))));
}

/** `8 min 42 s`. */
export function formatDuration(seconds: number): string {
  if (seconds < 59.5) return `${significant(seconds < 10 ? seconds : Math.round(seconds))} s`;
  const total = Math.round(seconds);
  const [hours, minutes] = [Math.floor(total / 3600), Math.floor(total / 60) % 60];
  const parts =
    hours > 0
      ? [`${hours} h`, minutes > 0 && `${minutes} min`]
      : [`${minutes} min`, total % 60 > 0 && `${total % 60} s`];
  return parts.filter(Boolean).join(' ');
}

/** English name of a language code; the code itself where there is none. */
export function languageName(code: string): string {
  try {
    return new Intl.DisplayNames(['en'], { type: 'language' }).of(code) ?? code;
  } catch {
    // Not a code but a name, which is what is wanted.
    return code;
  }
}
