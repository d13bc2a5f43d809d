/** The page's style: system fonts, light and dark by the reader's own setting, one column on a phone. */
export const style = `
:root {
  color-scheme: light dark;
  --page: #f6f6f3; --card: #fdfdfc; --ink: #14140f; --ink-2: #55544e; --ink-3: #6f6e68; --grid: #e4e3dd; --edge: #dcdbd4;
  --zero-shot: #7d7c75; --fine-tune: #2a78d6; --fine-tune-longer: #c08600; --fine-tune-grpo: #e0562a; --fine-tune-longer-grpo: #b01858; --grpo: #149568; --dpo: #6a4fd0;
  --ramp-low: #a9cdf6; --ramp-high: #0c3f7d; --real: #14140f;
}
@media (prefers-color-scheme: dark) { :root {
  --page: #0f0f0e; --card: #1a1a18; --ink: #f4f4ef; --ink-2: #c2c1b8; --ink-3: #97968d; --grid: #2d2d2a; --edge: #33332f;
  --zero-shot: #98978e; --fine-tune: #4791ea; --fine-tune-longer: #cf9a1d; --fine-tune-grpo: #f06f45; --fine-tune-longer-grpo: #ee6c9b; --grpo: #27ad7e; --dpo: #9c8bf0;
  --ramp-low: #1f4f8a; --ramp-high: #b9d8fb; --real: #f4f4ef;
} }
.s-run, .s-fine-tune { --c: var(--fine-tune); } .s-zero-shot { --c: var(--zero-shot); } .s-fine-tune-longer { --c: var(--fine-tune-longer); }
.s-fine-tune-grpo { --c: var(--fine-tune-grpo); } .s-fine-tune-longer-grpo { --c: var(--fine-tune-longer-grpo); } .s-grpo { --c: var(--grpo); } .s-dpo { --c: var(--dpo); } .s-real { --c: var(--real); }
* { box-sizing: border-box; }
[hidden] { display: none; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; -webkit-text-size-adjust: 100%; }
main { max-width: 1120px; margin: 0 auto; padding: 28px 20px 64px; }
h1 { font-size: clamp(1.5rem, 4.2vw, 2.3rem); line-height: 1.15; margin: 6px 0 10px; text-wrap: balance; }
h2 { font-size: 1.3rem; margin: 0 0 6px; } h3 { font-size: 1rem; margin: 22px 0 4px; }
section { margin-top: 44px; }
small, .note, nav { color: var(--ink-2); } small { font-size: .82rem; }
.note { margin: 0 0 12px; max-width: 74ch; font-size: .93rem; }
.lead { margin: 0; max-width: 74ch; font-size: 1.06rem; }
.kicker { margin: 0; color: var(--ink-2); font-size: .9rem; }
nav { display: flex; flex-wrap: wrap; gap: 4px 16px; margin-top: 18px; font-size: .9rem; } nav a { color: inherit; padding: 3px 0; }
.about { margin-top: 20px; max-width: 74ch; } .about p { margin: 0 0 8px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(200px, 1fr)); gap: 12px; margin-top: 20px; }
.tile, .card, .chart, .sample { background: var(--card); border: 1px solid var(--edge); border-radius: 10px; padding: 14px 16px; margin: 0; min-width: 0; }
.tile div { font-size: 1.1rem; white-space: nowrap; } .tile b { font-size: 1.6rem; } .tile span { color: var(--ink-2); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); gap: 14px; }
figcaption { margin-bottom: 10px; line-height: 1.3; } figcaption small { display: block; }
.dots-row, .dots-axis { display: grid; grid-template-columns: minmax(104px, 30%) 1fr 132px; gap: 12px; align-items: center; }
.dots-row { min-height: 36px; } .dots-label { font-size: .88rem; line-height: 1.2; }
.dots-number { font-size: .88rem; font-variant-numeric: tabular-nums; line-height: 1.25; } .dots-number span { display: block; white-space: nowrap; } .dots-number small { font-size: .78rem; }
.strip { width: 100%; height: 36px; overflow: visible; display: block; }
.grid { stroke: var(--grid); stroke-width: 1; fill: none; vector-effect: non-scaling-stroke; }
.whisker { stroke: var(--c); stroke-width: 2; stroke-linecap: round; }
.dot, .diamond { fill: var(--c); stroke: var(--card); stroke-width: 2; paint-order: stroke; } .ring { fill: var(--card); stroke: var(--c); stroke-width: 2.2; }
.ticks { position: relative; height: 20px; font-size: .76rem; color: var(--ink-3); }
.ticks span { position: absolute; top: 4px; transform: translateX(-50%); white-space: nowrap; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 6px 12px 6px 0; border-bottom: 1px solid var(--edge); vertical-align: top; } td { white-space: nowrap; }
th { font-weight: 600; } tbody th { white-space: nowrap; } th:first-child, .text { text-align: left; } tr > :last-child { padding-right: 0; } thead th { color: var(--ink-2); font-weight: 500; vertical-align: bottom; }
.chip { display: inline-flex; align-items: baseline; gap: 6px; } .chip i { flex: none; width: 10px; height: 10px; border-radius: 50%; background: var(--c); }
.tint i, i.tint { background: color-mix(in oklab, var(--c) var(--strength), var(--card)); } .tint.s-real { --c: var(--zero-shot); }
.legend { display: flex; flex-wrap: wrap; gap: 2px 14px; margin: 0 0 10px; font-size: .8rem; color: var(--ink-2); }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 320px), 1fr)); gap: 14px; }
.chart { display: flex; flex-direction: column; } .plot-frame { margin-top: auto; display: grid; grid-template-columns: max-content 1fr; column-gap: 8px; }
.y-ticks { position: relative; min-width: 40px; font-size: .76rem; color: var(--ink-3); } .y-ticks span { position: absolute; right: 0; transform: translateY(50%); white-space: nowrap; font-variant-numeric: tabular-nums; }
.plot { position: relative; height: 150px; touch-action: pan-y; } .plot svg { width: 100%; height: 100%; overflow: visible; display: block; }
.step { text-align: right; font-size: .76rem; color: var(--ink-3); padding-top: 4px; }
.line, .raw { fill: none; stroke: var(--c); stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; vector-effect: non-scaling-stroke; } .raw { stroke-width: 1; opacity: .35; } .point { stroke-width: 8; }
.cursor { display: none; position: absolute; top: 0; bottom: 0; width: 1px; background: var(--ink-3); pointer-events: none; }
#tip { position: fixed; z-index: 2; pointer-events: none; background: var(--card); border: 1px solid var(--edge); border-radius: 8px; padding: 6px 10px; font-size: .8rem; box-shadow: 0 2px 10px #0003; } #tip .chip { display: flex; }
.sample { margin-bottom: 14px; } .sample header { margin-bottom: 10px; } .sample header small { display: block; } .ipa { color: var(--ink-2); }
.clips { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 186px), 1fr)); gap: 16px 14px; }
.clip { min-width: 0; display: flex; flex-direction: column; } .clip-head { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 8px; font-size: .88rem; margin-bottom: auto; }
.wave { height: 34px; display: block; margin: 6px 0; } .wave path { stroke: var(--c); stroke-width: 2; vector-effect: non-scaling-stroke; fill: none; }
audio { width: 100%; height: 36px; display: block; } audio::-webkit-media-controls-mute-button { display: none; }
.stack { display: flex; gap: 2px; height: 30px; border-radius: 6px; overflow: hidden; margin-bottom: 10px; } .stack i { flex-basis: 0; min-width: 1px; }
.alarms { padding-left: 0; list-style: none; } .alarms li { border-left: 3px solid var(--fine-tune-grpo); padding: 2px 0 2px 12px; margin-bottom: 10px; }
details { margin-top: 12px; } summary { cursor: pointer; font-weight: 600; padding: 4px 0; }
pre { background: var(--card); border: 1px solid var(--edge); border-radius: 8px; padding: 12px 14px; overflow-x: auto; font-size: .82rem; line-height: 1.45; }
@media (max-width: 560px) {
  main { padding: 18px 14px 48px; }
  .tiles { grid-template-columns: 1fr 1fr; } .tile { padding: 10px 12px; } .tile div { font-size: .9rem; } .tile b { font-size: 1.15rem; } .tile small { font-size: .74rem; display: block; }
  .dots-row { grid-template-columns: 1fr auto; gap: 0 12px; padding-bottom: 6px; } .dots-row .strip { grid-row: 2; grid-column: 1 / -1; height: 26px; } .dots-number { text-align: right; }
  .dots-axis { display: block; } table { font-size: .8rem; } th, td { padding-right: 9px; }
}
`;
