import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { main } from '../src/index.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cli-report-'));
});
afterAll(() => rm(folder, { recursive: true }));

it('writes the report of a run and prints where it is', async () => {
  await writeFile(join(folder, 'metrics.jsonl'), '{"step":1,"time":2,"loss":3}\n');
  const print = vi.spyOn(console, 'log').mockImplementation(() => {});
  expect(await main(['report', folder])).toBe(0);
  expect(print.mock.calls).toEqual([[join(folder, 'report.html')]]);
  expect(await readFile(join(folder, 'report.html'), 'utf8')).toContain('up to step 1');
  print.mockRestore();
});

it('refuses a folder without a run with 1, and a command line without a folder with 2', async () => {
  const complain = vi.spyOn(console, 'error').mockImplementation(() => {});
  const write = vi.spyOn(process.stderr, 'write').mockImplementation(() => true);
  expect(await main(['report', join(folder, 'none')])).toBe(1);
  expect(complain.mock.calls[0]![0]).toContain('expected summary.json or metrics.jsonl, got neither');
  expect(await main(['report'])).toBe(2);
  complain.mockRestore();
  write.mockRestore();
});
