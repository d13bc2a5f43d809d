import { createHash } from 'node:crypto';
import { basename, join, resolve } from 'node:path';
import { writeWhole } from '@align2speak/contracts';
import { curvePanels } from './curve-panels.js';
import { formatDuration, languageName } from './format.js';
import { type Content, html, Markup } from './html.js';
import { headline, resultsSection } from './results.js';
import { type RunFiles, readRun } from './run-folder.js';
import { samplesSection } from './samples.js';
import { script } from './script.js';
import { style } from './style.js';
import * as tables from './tables.js';

/**
 * Builds the report of a run as one HTML page that needs no other file and no network.
 *
 * It shows what the run folder has: results and sounds from `summary.json`, curves from `metrics.jsonl`, settings from `config.json`.
 *
 * @throws DataError where there is neither a summary nor metrics, or one of the files is damaged.
 */
export async function buildReport(runDir: string): Promise<string> {
  const run = await readRun(runDir);
  const { summary } = run;
  const sections = (
    [
      ['Results', summary && resultsSection(summary, summary.language, 'results')],
      ...Object.entries(summary?.languages ?? {}).map(([language, results]): [string, Markup] => [
        languageName(language),
        resultsSection(results, language, `results-${language}`),
      ]),
      ['Listen', samplesSection(run)],
      ['Compared', tables.comparisonsSection(summary?.comparisons)],
      ['Rewards', tables.rewardBreakdown(run.curves)],
      ['Curves', curvePanels(run.curves)],
      ['Forgetting', summary && tables.sourceLanguagesSection(summary)],
      ['Time', tables.phasesSection(run.phases, run.elapsedSec)],
      ['Alarms', tables.alarmsSection(run.alarms)],
      ['Reproduce', tables.configSection(run.configs, summary?.reproduce)],
    ] as [string, Markup | undefined][]
  ).flatMap(([name, section]) => (section ? [{ name, section }] : []));
  const links = sections.map(
    ({ name, section }) => html`<a href="#${/id="([^"]+)"/.exec(section.text)?.[1]}">${name}</a>`,
  );
  return page(
    titleOf(run, runDir),
    html`<header>${opening(run, runDir)}<nav>${links}</nav>${about(run)}</header>${sections.map(({ section }) => section)}`,
  );
}

/**
 * Writes the report of a run to `report.html` in its folder, whole or not at all.
 *
 * @returns the path of the report
 * @throws DataError as `buildReport` does, and where the file cannot be written.
 */
export async function writeReport(runDir: string): Promise<string> {
  const text = await buildReport(runDir);
  const path = join(runDir, 'report.html');
  await writeWhole(path, text);
  return path;
}

function titleOf({ summary }: RunFiles, runDir: string): string {
  return summary ? (summary.title ?? `Align2Speak: ${languageName(summary.language)}`) : basename(resolve(runDir));
}

function opening(run: RunFiles, runDir: string): Markup {
  const time = run.elapsedSec > 0 && ` · ${formatDuration(run.elapsedSec)}`;
  if (run.summary) return html`<p class="kicker">${titleOf(run, runDir)}${time}</p>${headline(run.summary)}`;
  const steps = run.curves.map((curve) => curve.steps.at(-1)!);
  const last = steps.length > 0 ? `up to step ${Math.max(...steps)}` : 'no steps yet';
  return html`<p class="kicker">Align2Speak training run${time}</p><h1>${titleOf(run, runDir)}: ${last}</h1>
<p class="lead">This run has curves and no evaluation, so nothing here says how it sounds.</p>`;
}

function about({ summary }: RunFiles): Content {
  if (summary?.about === undefined) return undefined;
  return html`<div class="about">${[summary.about].flat().map((paragraph) => html`<p>${paragraph}</p>`)}</div>`;
}

/** The policy lets nothing be fetched, and nothing run but the one script. */
function page(title: string, content: Markup): string {
  const hash = createHash('sha256').update(script).digest('base64');
  const policy = `default-src 'none'; media-src data:; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-${hash}'`;
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}"><link rel="icon" href="data:,">
<title>${title}</title><style>${new Markup(style)}</style></head>
<body><main>${content}</main><div id="tip" hidden></div><script>${new Markup(script)}</script></body></html>
`.text;
}
