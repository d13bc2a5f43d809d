import { titleOf } from './curve-panels.js';
import { type DotRow, dotPlot } from './dot-plot.js';
import { formatDuration, formatMeasure, languageName, type NumberKind, percentSign, significant } from './format.js';
import { html, type Markup } from './html.js';
import type { Curve } from './metrics.js';
import { metrics } from './results.js';
import type { RunFiles } from './run-folder.js';
import { audioLabels, beforeAndAfter, stageChip, stageClass } from './stages.js';
import { type Alarm, type CheckedSummary, type Interval, type Results, stageNames } from './summary.js';

/** Paired differences between stages; nothing where none were computed. */
export function comparisonsSection(comparisons: CheckedSummary['comparisons']): Markup | undefined {
  if (!comparisons?.length) return undefined;
  return html`<section id="comparisons"><h2>Compared on the same utterances</h2>
<p class="note">A minus B with its 95 % interval, and how many times lower A is. An interval that holds 0 may be chance.</p>
<div class="scroll"><table><thead><tr><th>A</th><th class="text">B</th><th class="text">Metric</th><th>A − B</th><th>B / A</th></tr></thead>
<tbody>${comparisons.map(({ a, b, metric, difference, ratio }) => {
    const kind: NumberKind = /cer|runaway/i.test(metric) ? 'percent' : 'score';
    const chance = difference.low <= 0 && difference.high >= 0;
    return html`<tr><th>${labelOf(a)}</th><td class="text">${labelOf(b)}</td><td class="text">${metricLabel(metric)}</td><td>${formatDifference(difference, kind)}${chance && html` <small>may be chance</small>`}</td>
<td>${ratio === undefined ? '–' : significant(ratio)}</td></tr>`;
  })}</tbody></table></div></section>`;
}

const labelOf = (name: string) => (audioLabels as Record<string, string>)[name] ?? name;
const metricLabel = (name: string) => metrics.find((metric) => metric.name === name)?.short ?? name;

/** Differences of percentages are points, not percent. */
function formatDifference(difference: Interval, kind: NumberKind): string {
  const text = formatMeasure(difference, kind);
  return kind === 'percent' ? `${text.replace(percentSign, '')} points` : text;
}

/** What adaptation did to the languages the model knew already; nothing where they were not judged. */
export function sourceLanguagesSection({ sourceLanguages, stages }: Results): Markup | undefined {
  if (!sourceLanguages) return undefined;
  const { before, after } = sourceLanguages;
  const colour = stageClass((beforeAndAfter(stages).after ?? stages.at(-1)!).name);
  const languages = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  const rows = languages.map((language): DotRow => {
    const dots = [];
    if (before[language]) dots.push({ measure: before[language], colour: 's-zero-shot', shape: 'ring' as const });
    if (after[language]) dots.push({ measure: after[language], colour, shape: 'dot' as const });
    return { label: languageName(language), dots };
  });
  return html`<section id="forgetting"><h2>Is anything forgotten?</h2>
<p class="note">Character error rate in each source language: ring and upper number before adaptation, dot and lower number after. Lower is better.</p>
<figure class="card">${dotPlot(rows, { kind: 'percent', include: [0] })}</figure></section>`;
}

/** Alarms that were raised; says so where none were. */
export function alarmsSection(alarms: readonly Alarm[]): Markup {
  return html`<section id="alarms"><h2>Alarms</h2>${
    alarms.length === 0
      ? html`<p class="note">None is recorded in the files of this run.</p>`
      : html`<ul class="alarms">${alarms.map(
          ({ rule, step, message, stage }) =>
            html`<li><b>${rule}</b>${stage && html` ${stageChip(stage, audioLabels[stage])}`}${step !== undefined && html` <small>step ${step}</small>`}${message && html`<br>${message}`}</li>`,
        )}</ul>`
  }</section>`;
}

/** A stacked bar of the run's wall clock; nothing where no phases were timed. */
export function phasesSection(phases: RunFiles['phases'], elapsedSec: number): Markup | undefined {
  const known = Object.entries(phases ?? {}).filter(([, seconds]) => seconds > 0);
  if (known.length === 0) return undefined;
  const sum = known.reduce((total, [, seconds]) => total + seconds, 0);
  const left = elapsedSec - sum;
  const rows: [string, number][] = left > 0.005 * elapsedSec ? [...known, ['everything else', left]] : known;
  const total = Math.max(sum, elapsedSec);
  const overlap = sum > 1.005 * elapsedSec && elapsedSec > 0;
  const drawn = rows.map(([name, seconds], i) => ({
    name: phaseLabel(name),
    seconds,
    share: seconds / total,
    ...colourOf(name, rows, i),
  }));
  return html`<section id="time"><h2>Where the time went</h2>
<p class="note">${formatDuration(elapsedSec || sum)} in all.${overlap && ` Phases overlap: together they add up to ${formatDuration(sum)}, which the shares refer to.`}</p>
<div class="stack" role="img" aria-label="${drawn.map(({ name, share }) => `${name} ${wholePercent(share)}`).join(', ')}">${drawn.map(
    ({ name, share, className, strength }) =>
      html`<i class="${className}" style="flex-grow:${share.toFixed(5)};--strength:${strength}%" title="${name} ${wholePercent(share)}"></i>`,
  )}</div>
<table class="phases"><tbody>${drawn.map(
    ({ name, seconds, share, className, strength }) =>
      html`<tr><th><span class="chip ${className}" style="--strength:${strength}%"><i></i>${name}</span></th><td>${formatDuration(seconds)}</td><td>${wholePercent(share)}</td></tr>`,
  )}</tbody></table></section>`;
}

const wholePercent = (share: number) =>
  `${share < 0.095 ? (100 * share).toFixed(1) : Math.round(100 * share)}${percentSign}`;

/** `grpo/rollouts` as "GRPO alone: rollouts". */
function phaseLabel(name: string): string {
  const [stage, ...parts] = name.split('/') as [string, ...string[]];
  return [labelOf(stage), ...parts].join(': ');
}

/** Phases of a stage have its colour, each weaker than the one before; others are grey. */
function colourOf(name: string, rows: readonly [string, number][], i: number) {
  const stageOf = (phase: string) => stageNames.find((stage) => phase === stage || phase.startsWith(`${stage}/`));
  const stage = stageOf(name);
  const same = rows.filter(([other]) => stageOf(other) === stage).length;
  const before = rows.slice(0, i).filter(([other]) => stageOf(other) === stage).length;
  const strength = Math.round(100 - (same > 1 ? (65 * before) / (same - 1) : 0));
  return { className: `tint ${stage ? stageClass(stage) : 's-real'}`, strength };
}

/** The first and the last tenth of every reward's curve beside each other. */
export function rewardBreakdown(curves: readonly Curve[]): Markup | undefined {
  const rewards = curves.filter(({ key, values }) => /^rewards?(\/|$)/i.test(key) && values.length >= 2);
  if (rewards.length === 0) return undefined;
  return html`<section id="rewards"><h2>Reward breakdown</h2>
<p class="note">Means over the first and the last tenth of the steps of each training.</p>
<div class="scroll"><table><thead><tr><th>Reward</th><th class="text">Training</th><th>At first</th><th>At last</th><th>Change</th></tr></thead>
<tbody>${rewards.map(({ key, stage, values }) => {
    const width = Math.ceil(values.length / 10);
    const [first, last] = [mean(values.slice(0, width)), mean(values.slice(-width))];
    return html`<tr><th>${key.includes('/') ? titleOf(key.slice(key.indexOf('/') + 1)) : 'Total'}</th><td class="text">${stageChip(stage, stage ? audioLabels[stage] : 'this run')}</td>
<td>${significant(first)}</td><td>${significant(last)}</td><td>${last > first && '+'}${significant(last - first)}</td></tr>`;
  })}</tbody></table></div></section>`;
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Resolved configurations, folded, and the commands that repeat the run. */
export function configSection(
  configs: ReadonlyMap<string, unknown>,
  reproduce: CheckedSummary['reproduce'],
): Markup | undefined {
  if (configs.size === 0 && !reproduce?.length) return undefined;
  return html`<section id="reproduce"><h2>How to reproduce</h2>
${reproduce?.length && html`<pre>${reproduce.join('\n')}</pre>`}
${configs.size > 0 && html`<p class="note">Every setting of the run, defaults and seeds included:</p>`}
${[...configs].map(([path, config]) => html`<details><summary>${path}</summary><pre>${JSON.stringify(config, null, 2)}</pre></details>`)}</section>`;
}
