import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { randomIndex } from '@align2speak/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configsOf, makeProject, type Project } from './fixtures/project.js';
import { metricsOf, resultOf, runQuietly, runUntil, writeConfig } from './fixtures/runs.js';

const command = fileURLToPath(new URL('fixtures/command.mjs', import.meta.url));
let project: Project;
beforeAll(async () => {
  project = await makeProject();
});
afterAll(() => project.remove());

interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stderr: string;
}

/** Runs the command line in a process of its own; sends it a signal some time after it has logged update `step`. */
function runCommand(
  args: string[],
  out: string,
  kill?: { signal: NodeJS.Signals; step: number; afterMs: number },
): Promise<Ended> {
  const child = spawn(process.execPath, [command, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  // A run that goes back first forgets what it will log again; only what comes after that counts.
  const before = metricsOf(out).length;
  let last = before;
  let begun = before === 0;
  const watch = setInterval(() => {
    const lines = metricsOf(out);
    begun ||= lines.length !== last;
    last = lines.length;
    if (!kill || !begun || (lines.at(-1)?.step ?? 0) < kill.step) return;
    clearInterval(watch);
    setTimeout(() => child.kill(kill.signal), kill.afterMs);
  }, 1);
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      clearInterval(watch);
      resolve({ code, signal, stderr });
    });
  });
}

/** Updates of a run long enough to be hit several times. */
const steps = { finetune: 60, grpo: 14 };

/** GRPO's updates move the weights twice. */
const settingsOf = (name: keyof ReturnType<typeof configsOf>) => ({
  ...configsOf(project)[name],
  ...(name === 'grpo' && { iterations: 2 }),
});

describe.each(['finetune', 'grpo'] as const)('%s in a process that is stopped at random times', (name) => {
  it.each(['SIGTERM', 'SIGKILL'] as const)(
    'goes on after %s to the same bits',
    async (signal) => {
      const config = writeConfig(project, { ...settingsOf(name), steps: steps[name] });
      const whole = project.path(`${name}-${signal}-whole`);
      await runQuietly(name, { config, out: whole });

      const out = project.path(`${name}-${signal}`);
      const args = [name, '--config', config, '--out', out];
      let stopped = 0;
      for (let attempt = 0; attempt < 2; attempt++) {
        const step = (metricsOf(out).at(-1)?.step ?? 0) + 1 + randomIndex(steps[name] / 5, 1, attempt);
        const kill = { signal, step, afterMs: randomIndex(20, 2, attempt) };
        const ended = await runCommand(attempt === 0 ? args : [...args, '--resume'], out, kill);
        if (ended.code === 0) break;
        stopped++;
        if (signal === 'SIGKILL') expect(ended.signal, ended.stderr).toBe('SIGKILL');
        else {
          expect(ended.code, ended.stderr).toBe(130);
          expect(ended.stderr).toContain(`interrupted: a checkpoint is in ${out}; --resume continues`);
        }
      }
      expect(stopped).toBeGreaterThan(0);
      const ended = await runCommand([...args, '--resume'], out);
      expect(ended, ended.stderr).toMatchObject({ code: 0 });
      expect(resultOf(out)).toEqual(resultOf(whole));
      expect(readdirSync(out).filter((file) => file.endsWith('.tmp'))).toEqual([]);
    },
    240_000,
  );
});

describe('dpo that is stopped while it judges groups', () => {
  it('keeps them, and goes on after the last to the same bits', async () => {
    const config = writeConfig(project, { ...settingsOf('dpo'), pairPrompts: 10 });
    const whole = project.path('dpo-groups-whole');
    await runQuietly('dpo', { config, out: whole });
    const out = project.path('dpo-groups');
    await expect(runUntil(0, 'dpo', { config, out })).rejects.toThrow(
      `interrupted: what was judged is in ${out}; --resume continues`,
    );
    const text = readFileSync(`${whole}/groups.jsonl`, 'utf8');
    const [head, four, eight, ten] = text.split('\n') as [string, string, string, string];
    expect([four, eight, ten].map((line) => JSON.parse(line).length)).toEqual([4, 4, 2]);
    writeFileSync(`${out}/groups.jsonl`, `${head}\n${four}\n${eight.slice(0, 200)}`);
    await runQuietly('dpo', { config, out, resume: true });
    expect(readFileSync(`${out}/groups.jsonl`, 'utf8')).toBe(text);
    expect(resultOf(out)).toEqual(resultOf(whole));

    const damaged = project.path('dpo-groups-damaged');
    mkdirSync(damaged);
    writeFileSync(`${damaged}/groups.jsonl`, `${head}\n${four}\n${eight.slice(0, 200)}\n`);
    await expect(runQuietly('dpo', { config, out: damaged })).rejects.toThrow(
      /groups\.jsonl: line 3: expected judged groups, got what cannot be read\nhint: delete the file/,
    );
  });

  it('judges anew under another configuration', async () => {
    const out = project.path('dpo-other');
    const run = (more: object) => {
      const config = writeConfig(project, { ...settingsOf('dpo'), ...more });
      return runQuietly('dpo', { config, out, resume: true });
    };
    mkdirSync(out);
    writeFileSync(`${out}/groups.jsonl`, '{"stage":"another"}\n[]\n');
    await run({});
    expect(readFileSync(`${out}/groups.jsonl`, 'utf8')).not.toContain('another');
  });
});

describe.each(['codec', 'dpo', 'finetune', 'grpo'] as const)('%s', (name) => {
  it('goes on after a signal between checkpoints to the same bits', async () => {
    const config = writeConfig(project, { ...settingsOf(name), checkpointEvery: 5, validateEvery: 3 });
    const whole = project.path(`${name}-whole`);
    await runQuietly(name, { config, out: whole });
    const out = project.path(`${name}-parts`);
    await expect(runUntil(1, name, { config, out })).rejects.toThrow('interrupted: a checkpoint is in');
    expect(resultOf(out).metrics.length).toBeLessThan(resultOf(whole).metrics.length);
    await expect(runUntil(3, name, { config, out, resume: true })).rejects.toThrow('interrupted');
    await runQuietly(name, { config, out, resume: true });
    const [parts, uninterrupted] = [resultOf(out), resultOf(whole)];
    expect(parts.metrics).toEqual(uninterrupted.metrics);
    // Which older checkpoint is still there depends on when the signal came.
    for (const [file, checksum] of Object.entries(uninterrupted.checksums))
      if (file in parts.checksums) expect([file, parts.checksums[file]]).toEqual([file, checksum]);
    expect(Object.keys(parts.checksums)).toEqual(expect.arrayContaining([expect.stringContaining('last/')]));
  });
});
