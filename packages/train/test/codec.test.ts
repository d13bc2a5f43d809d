import { loadCodec } from '@align2speak/codec';
import { disposeTensors } from '@align2speak/tts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { configsOf, makeProject, type Project } from './fixtures/project.js';
import { metricsOf, runQuietly, writeConfig } from './fixtures/runs.js';

let project: Project;
beforeAll(async () => {
  project = await makeProject();
});
afterAll(() => project.remove());

async function weightsOf(folder: string): Promise<Record<string, ArrayLike<number>>> {
  const codec = await loadCodec(folder);
  const state = await codec.state();
  const weights: Record<string, ArrayLike<number>> = {};
  for (const [name, tensor] of Object.entries(state)) weights[name] = await tensor.toArray();
  disposeTensors(state);
  codec.dispose();
  return weights;
}

it('with a frozen encoder only the decoder learns, against discriminators from their first update on', async () => {
  const { model, ...config } = configsOf(project).codec;
  const out = project.path('decoder');
  const settings = { ...config, init: project.codec, frozenEncoder: true, steps: 4 };
  await runQuietly('codec', { config: writeConfig(project, settings), out });
  const [before, after] = [await weightsOf(project.codec), await weightsOf(`${out}/last`)];
  const moved = Object.keys(before).filter((name) => !equal(before[name]!, after[name]!));
  expect(moved.length).toBeGreaterThan(0);
  expect(moved.filter((name) => !name.startsWith('audio_decoder'))).toEqual([]);
  const judged = metricsOf(out)
    .filter((line) => 'loss' in line)
    .map((line) => 'train/discriminators' in line);
  expect(judged).toEqual([false, false, true, true]);
});

const equal = (a: ArrayLike<number>, b: ArrayLike<number>) => Array.from(a).every((value, i) => value === b[i]);
