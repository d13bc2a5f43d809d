import { formatDuration, formatNumber } from './format.js';
import { html, type Markup } from './html.js';
import { type Clip, clipsOf, type RunFiles } from './run-folder.js';
import { audioLabels, stageClass } from './stages.js';
import type { AudioName, Sample } from './summary.js';

/** Players for the same prompts before and after; nothing where there are no samples. */
export function samplesSection({ summary, clips }: RunFiles): Markup | undefined {
  const samples = summary?.samples ?? [];
  if (samples.length === 0) return undefined;
  const longest = Math.max(...[...clips.values()].map(({ durationSec }) => durationSec));
  return html`<section id="listen"><h2>Listen</h2>
<p class="note">The same text in the same voice, stage by stage. The pictures share one time scale of ${formatDuration(longest)}; CER is of the sample beside it.</p>
${samples.map((sample) => row(sample, clips, longest))}</section>`;
}

function row(
  { prompt, ipa, text, voice, files, cer }: Sample,
  clips: ReadonlyMap<string, Clip>,
  longest: number,
): Markup {
  return html`<article class="sample"><header><b>${text ?? prompt}</b>${ipa && html` <span class="ipa">/${ipa}/</span>`}
<small>${[text && prompt, voice && `voice ${voice}`].filter(Boolean).join(' · ')}</small></header>
<div class="clips">${clipsOf(files).map(([name, path]) => player(name, clips.get(path)!, { cer: cer?.[name], longest, prompt }))}</div></article>`;
}

function player(
  name: AudioName,
  { dataUrl, durationSec, peaks }: Clip,
  { cer, longest, prompt }: { cer: number | undefined; longest: number; prompt: string },
): Markup {
  const colour = name in { recording: 0, resynthesis: 0, 'voice prompt': 0 } ? 's-real' : stageClass(name);
  return html`<div class="clip ${colour}"><div class="clip-head"><span class="chip"><i></i>${audioLabels[name]}</span>
${cer !== undefined && html`<small>CER ${formatNumber(cer, 'percent')}</small>`}</div>
${peaks && html`<svg class="wave" viewBox="0 0 ${peaks.length} 2" preserveAspectRatio="none" style="width:${((100 * durationSec) / longest).toFixed(1)}%" aria-hidden="true"><path d="${wavePath(peaks)}"/></svg>`}
<audio controls controlslist="nodownload noplaybackrate" preload="metadata" src="${dataUrl}" aria-label="${prompt}, ${audioLabels[name]}"></audio></div>`;
}

/** One upright bar per peak. */
function wavePath(peaks: readonly number[]): string {
  return peaks
    .map((peak, i) => {
      const half = Math.max(peak, 0.02);
      return `M${i + 0.5} ${(1 - half).toFixed(2)}v${(2 * half).toFixed(2)}`;
    })
    .join('');
}
