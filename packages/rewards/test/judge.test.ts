import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  CancelledError,
  CheckpointError,
  ConfigError,
  DataError,
  type JudgeConfig,
  RewardError,
} from '@align2speak/contracts';
import { judgeToOnnx, openJudge } from '@align2speak/rewards';
import { OnnxGraph, onnxMetadata } from '@align2speak/weights';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ctcHead, randomWeights, signal, smallConfig, symbols } from './network.js';

let folder = '';
const at = (name: string) => join(folder, name);

async function write(name: string, head: { kind: string }): Promise<JudgeConfig> {
  const config = smallConfig(head);
  const card = { name, measured: { loss: 0.5 }, symbols: head.kind === 'ctc' ? symbols : undefined };
  await writeFile(at(name), judgeToOnnx(config, randomWeights(config, 1), card));
  return config;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'judges-'));
  await write('asr.onnx', ctcHead);
  await write('speaker.onnx', { kind: 'speaker', dim: 7, speakers: 5 } as { kind: string });
  await write('quality.onnx', { kind: 'quality' });
});
afterAll(() => rm(folder, { recursive: true }));

describe('openJudge', () => {
  const wavs = [signal(1, 3000), signal(2, 20_000), signal(3, 300), signal(4, 9000)];

  it('judges batches of any lengths as it judges each alone', async () => {
    const judge = await openJudge(at('speaker.onnx'), { kind: 'speaker' });
    expect(judge.info).toMatchObject({
      name: 'speaker.onnx',
      kind: 'speaker',
      sampleRate: 22050,
      measured: { loss: 0.5 },
    });
    // More than one batch of 2^19 samples.
    const many = Array.from({ length: 60 }, (_, i) => wavs[i % 4]!);
    const embeddings = await judge.run(many);
    expect(embeddings).toHaveLength(60);
    for (const [i, wav] of many.entries()) {
      const [alone] = await judge.run([wav]);
      expect(alone).toHaveLength(7);
      for (const [j, value] of alone!.entries()) expect(embeddings[i]![j]).toBeCloseTo(value, 5);
    }
    expect(await judge.run([])).toEqual([]);
    expect(wavs[0]).toHaveLength(3000);
    await judge.close();
  });

  it('transcribes into the symbols of its file', async () => {
    const judge = await openJudge(at('asr.onnx'), { kind: 'recogniser', threads: 2 });
    const [short, long] = await judge.run([wavs[2]!, wavs[1]!]);
    expect(short!.text.length).toBeLessThan(long!.text.length);
    expect(long!.text).toMatch(/^[abdeɡ]+$/);
    const { text, places } = long!;
    expect(places).toHaveLength([...text].length);
    expect(places).toEqual([...places].sort((a, b) => a - b));
    for (const place of places) expect(place > 0 && place < 1).toBe(true);
    await judge.close();
  });

  it('says how good each waveform sounds', async () => {
    const judge = await openJudge(at('quality.onnx'), { kind: 'quality' });
    const values = await judge.run(wavs);
    expect(values).toHaveLength(4);
    for (const value of values) expect(value >= 0 && value <= 1).toBe(true);
    await judge.close();
  });

  it('refuses waveforms that cannot be judged, and goes on', async () => {
    const judge = await openJudge(at('quality.onnx'), { kind: 'quality' });
    const broken = signal(1, 500).fill(Number.NaN, 400, 401);
    await expect(judge.run([wavs[0]!, signal(1, 99)])).rejects.toThrow(
      /quality.onnx: wavs\[1\]: .* 100 samples, got 99/,
    );
    await expect(judge.run([wavs[0]!, broken])).rejects.toThrow(DataError);
    await expect(judge.run([broken.fill(Number.NEGATIVE_INFINITY)])).rejects.toThrow(
      /wavs\[0\]: expected finite samples/,
    );
    expect(await judge.run(wavs)).toHaveLength(4);
    await judge.close();
  });

  it('stops at a signal', async () => {
    const judge = await openJudge(at('quality.onnx'), { kind: 'quality' });
    await expect(judge.run(wavs, AbortSignal.abort('enough'))).rejects.toThrow(CancelledError);
    await judge.close();
  });

  it('ends what is under way before it closes, and refuses what comes after', async () => {
    const judge = await openJudge(at('quality.onnx'), { kind: 'quality' });
    const last = judge.run(wavs);
    await judge.close();
    expect(await last).toHaveLength(4);
    await expect(judge.run(wavs)).rejects.toThrow(RewardError);
    await expect(judge.run(wavs)).rejects.toThrow(/quality.onnx: judge: expected an answer, got one that is closed/);
    await judge.close();
  });

  // A process of its own, because what it is to show is how the process ends; it runs what `tsc -b` built.
  it.each([
    ['process.exit(3)', 3],
    ['throw new Error("enough")', 1],
  ])('lets a process end while it judges: %s', (end, code) => {
    const script = `
      import { openJudge } from '@align2speak/rewards';
      const judge = await openJudge(${JSON.stringify(at('quality.onnx'))}, { kind: 'quality' });
      judge.run(Array.from({ length: 200 }, () => new Float32Array(100_000)));
      setTimeout(() => { console.log('judging'); ${end}; }, 50);`;
    const settings = { cwd: fileURLToPath(new URL('.', import.meta.url)), encoding: 'utf8' } as const;
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], settings);
    expect([child.stdout, child.status, child.signal]).toEqual(['judging\n', code, null]);
  });

  it('refuses files of another kind and settings out of range', async () => {
    const opened = openJudge(at('asr.onnx'), { kind: 'speaker' });
    await expect(opened).rejects.toThrow(/asr.onnx: kind: expected speaker, got recogniser/);
    await expect(openJudge(at('asr.onnx'), { kind: 'recogniser', threads: 0 })).rejects.toThrow(ConfigError);
  });

  const entry = (text: string) => new OnnxGraph('other').encode({ align2speak: text });
  const info = { name: 'x', kind: 'quality', sampleRate: 8000, leastSamples: 10 };
  it.each([
    ['missing files', undefined, /file: expected one that can be read, got ENOENT/],
    ['empty files', new Uint8Array(0), /metadata: expected an entry align2speak, got none\nhint: /],
    ['text', new TextEncoder().encode('{"kind": "quality"}'), /file: expected a whole ONNX file/],
    ['other ONNX files', new OnnxGraph('other').encode({}), /metadata: expected an entry align2speak/],
    ['metadata that is no JSON', entry('{'), /metadata: expected JSON, got {/],
    ['metadata that is nothing', entry('null'), /metadata: name: expected a text, got undefined/],
    [
      'unknown kinds',
      entry(JSON.stringify({ ...info, kind: 'x' })),
      /kind: expected one of recogniser, speaker, quality, got "x"/,
    ],
    [
      'impossible rates',
      entry(JSON.stringify({ ...info, sampleRate: 0 })),
      /sampleRate: expected a whole number above 0, got 0/,
    ],
    ['symbols for a kind without', entry(JSON.stringify({ ...info, symbols: [] })), /symbols: .*got \[\]/],
    ['no symbols for a recogniser', entry(JSON.stringify({ ...info, kind: 'recogniser' })), /symbols: .*got undefined/],
    ['judges without a network', entry(JSON.stringify(info)), /file: expected a model that onnxruntime runs, got /],
  ])('refuses %s', async (_, bytes, message) => {
    const path = at('foreign.onnx');
    await rm(path, { force: true });
    if (bytes) await writeFile(path, bytes);
    const opened = openJudge(path, { kind: 'quality' });
    await expect(opened).rejects.toThrow(CheckpointError);
    await expect(opened).rejects.toThrow(message);
  });

  it('refuses files that were cut or changed anywhere in the graph', async () => {
    const config = smallConfig({ kind: 'quality' });
    const whole = judgeToOnnx(config, randomWeights(config, 1), { name: 'q' });
    expect(onnxMetadata(whole).has('align2speak')).toBe(true);
    for (const share of [0.001, 0.3, 0.7, 0.999]) {
      await writeFile(at('cut.onnx'), whole.subarray(0, Math.floor(whole.length * share)));
      await expect(openJudge(at('cut.onnx'), { kind: 'quality' })).rejects.toThrow(CheckpointError);
    }
    for (const share of [0.02, 0.5, 0.9]) {
      const changed = Uint8Array.from(whole);
      changed[Math.floor(whole.length * share)]! ^= 1;
      await writeFile(at('changed.onnx'), changed);
      const opened = openJudge(at('changed.onnx'), { kind: 'quality' });
      await expect(opened).rejects.toThrow(/changed.onnx: file: expected a whole ONNX file, got /);
    }
  });
});
