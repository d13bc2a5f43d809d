import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { CancelledError, ConfigError, DeviceError } from '@align2speak/contracts';
import { info, ops, setThreads, Tensor } from '@align2speak/native';
import { afterEach, describe, expect, it } from 'vitest';
import { addonPath, load } from '../src/binding.js';

async function layerNormInputs(rows: number, width: number) {
  const data = Float32Array.from({ length: rows * width }, (_, i) => Math.sin(i));
  return { x: await Tensor.from(data, [rows, width]), w: await Tensor.from(new Float32Array(width).fill(1), [width]) };
}

describe('threads', () => {
  afterEach(() => setThreads(0));

  it('are one per CPU unless set', async () => {
    const all = info().threads;
    await setThreads(1);
    expect(info().threads).toBe(1);
    await setThreads(0);
    expect(info().threads).toBe(all);
  });

  it.each([-1, 1.5, Number.NaN, 1e9])('cannot be %s', async (threads) => {
    await expect(setThreads(threads)).rejects.toThrow(ConfigError);
  });

  it('do not change a bit of the results', async () => {
    const inputs = await layerNormInputs(513, 67);
    const results = [];
    for (const threads of [1, 2, 3]) {
      await setThreads(threads);
      const { w } = await ops.layerNorm.gradients(inputs, {}, { y: inputs.x });
      results.push(await w.toArray());
    }
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
  });
});

describe('calls', () => {
  it('may be a thousand at once', async () => {
    const inputs = await layerNormInputs(3, 5);
    const expected = await (await ops.layerNorm(inputs)).y.toArray();
    const results = await Promise.all(Array.from({ length: 1000 }, () => ops.layerNorm(inputs)));
    for (const { y } of results) expect(await y.toArray()).toEqual(expected);
  });

  it('end at once when their signal was set before', async () => {
    const inputs = await layerNormInputs(3, 5);
    const reason = new Error('enough');
    const call = ops.layerNorm(inputs, {}, { signal: AbortSignal.abort(reason) });
    await expect(call).rejects.toThrow(CancelledError);
    await expect(call).rejects.toMatchObject({ code: 'CANCELLED', cause: reason });
  });

  it('end at once when they are cancelled in the queue, and the others go on', async () => {
    const inputs = await layerNormInputs(4096, 512);
    const controller = new AbortController();
    const settled: string[] = [];
    const before = ops.layerNorm.gradients(inputs, {}, {}).then(() => settled.push('before'));
    const cancelled = ops
      .layerNorm(inputs, {}, { signal: controller.signal })
      .catch((error) => settled.push(error.name));
    const after = ops.layerNorm(inputs).then(() => settled.push('after'));
    controller.abort();
    await Promise.all([before, cancelled, after]);
    expect(settled).toEqual(['CancelledError', 'before', 'after']);
  });

  it('free native memory that JavaScript forgot', async () => {
    setFlagsFromString('--expose-gc');
    const gc = runInNewContext('gc') as () => void;
    const inputs = await layerNormInputs(64, 4096);
    for (let i = 0; i < 50; i++) await ops.layerNorm(inputs);
    gc();
    await new Promise((resolve) => setImmediate(resolve));
    const before = process.memoryUsage();
    // 400 MiB of results, of which no more than a few may stay.
    for (let i = 0; i < 400; i++) {
      await ops.layerNorm(inputs);
      if (i % 20 === 0) gc();
    }
    gc();
    await new Promise((resolve) => setImmediate(resolve));
    const after = process.memoryUsage();
    expect(after.external - before.external).toBeLessThan(2 ** 20);
    expect(after.rss - before.rss).toBeLessThan(100 * 2 ** 20);
  });
});

/** Runs a script in a process of its own, because what it is to show is how the process ends. */
function run(...args: string[]): Promise<{ code: number | string | null; output: string }> {
  const child = spawn(process.execPath, args);
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  return new Promise((resolve) =>
    child.on('close', (code, signal) => resolve({ code: code ?? signal, output: output.trim() })),
  );
}

describe('a process or worker that leaves its work', () => {
  const fixture = fileURLToPath(new URL('fixtures/queue.cjs', import.meta.url));

  it.each([
    ['exit', 7, ''],
    ['throw', 1, ''],
    ['drain', 0, '3 results'],
    ['terminate', 0, '2 results'],
    ['worker', 0, '2 results and 2'],
  ])('ends cleanly: %s', { timeout: 30_000 }, async (ending, code, output) => {
    for (let i = 0; i < 5; i++) expect(await run(fixture, addonPath(), ending)).toEqual({ code, output });
  });
});

it.each([1, 2, 3])('no op ends the process, whatever it is given: seed %i', async (seed) => {
  const fuzz = fileURLToPath(new URL('fixtures/fuzz-ops.cjs', import.meta.url));
  const { code, output } = await run(fuzz, addonPath(), String(seed), '30');
  const last = output.slice(output.lastIndexOf('\n') + 1);
  expect({ code, last }).toEqual({ code: 0, last: expect.stringMatching(/^\{"calls":\d+,"passed":\d+\}$/) });
  const { calls, passed } = JSON.parse(last);
  expect(passed).toBeGreaterThan(calls / 4);
  expect(passed).toBeLessThan((3 * calls) / 4);
});

describe('the addon', () => {
  it('says what it is', () => {
    const { version, threads, cuda } = info();
    expect(version).toBe('0.1.0');
    expect(threads).toBeGreaterThan(0);
    expect(cuda.devices.length > 0).toBe(cuda.missing === '');
  });

  it('is missed by name, with the remedy', () => {
    expect(() => load('/nowhere/align2speak_native.node')).toThrow(
      'native: addon: expected the file /nowhere/align2speak_native.node, got none\nhint: npm run setup',
    );
  });

  it('is refused when built for another machine', () => {
    const dir = mkdtempSync(join(tmpdir(), 'addon-'));
    const path = join(dir, 'align2speak_native.node');
    writeFileSync(path, 'MZ another platform');
    try {
      expect(() => load(path)).toThrow(DeviceError);
      expect(() => load(path)).toThrow(/to be built for \w+-\w+, got .*(invalid ELF header|file too short|not a)/);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});
