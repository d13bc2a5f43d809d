import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeWav } from '@align2speak/audio';
import { main } from '@align2speak/cli';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

let folder = '';
let printed: string[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cli-data-'));
  printed = [];
  for (const method of ['log', 'error'] as const)
    vi.spyOn(console, method).mockImplementation((line) => void printed.push(line));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

it('data validate prints each problem and fails, and passes a good manifest', async () => {
  const path = join(folder, 'm.jsonl');
  const line = { audio_filepath: 'a.wav', text: 'olá', ipa: 'olˈa', duration: 1, speaker: 's', lang: 'pt' };
  writeFileSync(path, `${JSON.stringify(line)}\n{\n`);
  expect(await main(['data', 'validate', path])).toBe(1);
  expect(printed[0]).toMatch(/m\.jsonl:1: audio_filepath: expected a readable file, got ENOENT/);
  expect(printed[1]).toMatch(/m\.jsonl:2: line: expected JSON/);
  expect(printed[2]).toMatch(/m\.jsonl: lines: expected no problems, got 2 in 2 lines/);

  writeFileSync(join(folder, 'a.wav'), encodeWav(new Float32Array(8000).fill(0.1), 8000));
  writeFileSync(path, JSON.stringify(line));
  expect(await main(['data', 'validate', path])).toBe(0);
  expect(printed.at(-1)).toBe(`${path}: no problems`);
});

it('data synth makes a corpus that data validate passes', async () => {
  const out = join(folder, 'corpus');
  expect(await main(['data', 'synth', '--out', out, '--scale', '0.002', '--source', 'it', '--target', 'pl'])).toBe(0);
  expect(printed.filter((line) => /utterances/.test(line)).length).toBe(6);
  expect(await main(['data', 'validate', join(out, 'train/pl.jsonl'), join(out, 'test/it.jsonl')])).toBe(0);
});

it('data synth refuses a command line that is wrong, before it writes', async () => {
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  expect(await main(['data', 'synth'])).toBe(2);
  expect(await main(['data', 'synth', '--out', join(folder, 'x'), '--scale', 'big'])).toBe(1);
  expect(printed.at(-1)).toMatch(/data synth: scale: expected a number in \(0, 10\], got NaN/);
});
