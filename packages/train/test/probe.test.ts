import { appendFileSync, writeFileSync } from 'node:fs';
import { it } from 'vitest';
import { configsOf, makeProject } from './fixtures/project.js';
import { metricsOf, runQuietly, writeConfig } from './fixtures/runs.js';
it('probe', async () => {
  const project = await makeProject();
  for (const [name, body] of [['len', 'length / 8000'], ['loud', 'Math.min(10, 9 * wav.reduce((s, x) => s + Math.abs(x), 0) / length)']])
    for (const direction of ['higher', 'lower']) for (const lr of [3e-3, 1e-2]) {
      const use = project.path(`${name}.mjs`);
      writeFileSync(use, `export default () => ({ name: 'r', direction: '${direction}', range: [0, 10], async score({wavs}) { return Float64Array.from(wavs, (wav) => { const {length} = wav; return ${body}; }); } });`);
      writeFileSync(project.path(`${name}${direction}.mjs`), `export default () => ({ name: 'r', direction: '${direction}', range: [0, 10], async score({wavs}) { return Float64Array.from(wavs, (wav) => { const {length} = wav; return ${body}; }); } });`);
      const out = project.path(name + direction + lr);
      const loop = { steps: 30, lr, decay: 'constant', validateEvery: 0, checkpointEvery: 0, guidance: { share: 0 }, clipNorm: 1 };
      const length = { maxFrames: 12, minFrames: 1, groupSize: 12, onLengthFailure: 'mask' };
      await runQuietly('grpo', { config: writeConfig(project, { ...configsOf(project).grpo, rewards: [{ use: project.path(`${name}${direction}.mjs`), weight: 1 }], ...loop, ...length }), out });
      const lines = metricsOf(out).filter((l) => l['samples/frames'] !== undefined);
      const show = (k: string) => lines.map((l) => (l[k] ?? NaN).toFixed(2)).join(' ');
      appendFileSync('/tmp/probe.txt', [name, direction, lr, '\nframes', show('samples/frames'), '\nreward', show('reward/r'), '\ntrunc', show('samples/truncated')].join(' ') + '\n');
    }
  project.remove();
}, 900_000);
