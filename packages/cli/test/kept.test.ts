import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { kept } from '../src/kept.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kept-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

it('makes a result once, and anew when a file that it was made of has changed', async () => {
  const [path, judge, model] = ['scores.json', 'judge.onnx', 'weights.safetensors'].map((name) => join(folder, name));
  writeFileSync(judge!, 'judge');
  writeFileSync(model!, 'model');
  let made = 0;
  const scores = () => kept(path!, [judge!, model!], async () => [++made, 0.5]);
  expect(await scores()).toEqual([1, 0.5]);
  expect(await scores()).toEqual([1, 0.5]);
  writeFileSync(judge!, 'a better judge');
  expect(await scores()).toEqual([2, 0.5]);
  expect(await scores()).toEqual([2, 0.5]);
});

it('makes anew what a file of another form keeps', async () => {
  const path = join(folder, 'scores.json');
  writeFileSync(path, '[1, 2]');
  expect(await kept(path, [], async () => 3)).toBe(3);
});
