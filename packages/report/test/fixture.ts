import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type StageName, type Summary, stageNames } from '@align2speak/report';
import { afterAll, beforeAll } from 'vitest';

/** A folder that lasts as long as the test file. */
export function inFolder(): {
  path: (name: string) => string;
  write: (name: string, content: string | Uint8Array) => Promise<string>;
} {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'report-'));
  });
  afterAll(() => rm(folder, { recursive: true }));
  const path = (name: string) => join(folder, name);
  const write = async (name: string, content: string | Uint8Array) => {
    await mkdir(dirname(path(name)), { recursive: true });
    await writeFile(path(name), content);
    return path(name);
  };
  return { path, write };
}

/** Numbers in [0, 1) that are the same in every run. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** 16-bit mono WAV of a tone that swells and fades. */
export function toneWav(hertz: number, seconds: number, sampleRate = 22_050): Uint8Array {
  const samples = Math.round(seconds * sampleRate);
  const bytes = Buffer.alloc(44 + 2 * samples);
  bytes.write('RIFF', 0, 'latin1');
  bytes.writeUInt32LE(36 + 2 * samples, 4);
  bytes.write('WAVEfmt ', 8, 'latin1');
  bytes.writeUInt32LE(16, 16);
  bytes.writeUInt16LE(1, 20);
  bytes.writeUInt16LE(1, 22);
  bytes.writeUInt32LE(sampleRate, 24);
  bytes.writeUInt32LE(2 * sampleRate, 28);
  bytes.writeUInt16LE(2, 32);
  bytes.writeUInt16LE(16, 34);
  bytes.write('data', 36, 'latin1');
  bytes.writeUInt32LE(2 * samples, 40);
  for (let i = 0; i < samples; i++) {
    const swell = Math.sin((Math.PI * i) / samples) * (0.6 + 0.4 * Math.sin((9 * i) / sampleRate));
    bytes.writeInt16LE(Math.round(20_000 * swell * Math.sin((2 * Math.PI * hertz * i) / sampleRate)), 44 + 2 * i);
  }
  return bytes;
}

/** Lines as a training of `steps` steps would write them; made up. */
export function fakeMetrics(kind: 'supervised' | 'grpo', steps: number, seed: number): string {
  const random = seeded(seed);
  const noise = (size: number) => size * (random() + random() - 1);
  const lines = Array.from({ length: steps }, (_, step) => {
    const done = step / steps;
    const row: Record<string, unknown> = {
      step,
      time: step * 1.3,
      lr: 4e-5 * (1 - 0.7 * done),
      gradNorm: 0.6 + noise(0.4),
    };
    if (kind === 'supervised') {
      row.loss = 2.1 + 1.6 * Math.exp(-5 * done) + noise(0.2);
      row['train/alignment'] = 0.2 + Math.exp(-6 * done) + noise(0.05);
      if (step % 20 === 0) row.validation = { loss: 2.3 + 1.2 * Math.exp(-4 * done) + noise(0.03) };
    } else {
      row.reward = 0.4 + 0.3 * done + noise(0.06);
      row['reward/cer'] = 0.2 - 0.12 * done + noise(0.03);
      row['reward/cerHeldOut'] = 0.19 - 0.1 * done + noise(0.03);
      row['reward/ssim'] = 0.5 + 0.06 * done + noise(0.02);
      row['reward/quality'] = 0.83 + 0.05 * done + noise(0.02);
      for (let k = 0; k < 8; k++) {
        row[`entropy/${k}`] = 1.8 - 0.1 * k - 0.2 * done + noise(0.05);
        row[`gradShare/${k}`] = 0.125 + 0.01 * (3.5 - k) + noise(0.01);
      }
      row.policy = { loss: noise(0.02), logprobGap: 2e-6 + noise(1e-6) };
      row.samples = { masked: 0.02 + noise(0.02), truncated: 0.01 + noise(0.01), frames: 31 + noise(2) };
      row.groups = { valid: 0.9 - 0.1 * done, zeroVariance: 0.05 + 0.1 * done + noise(0.05) };
      row.seconds = { rollouts: 0.7, judges: 0.2, update: 0.38 };
      if (step === 41) row['alarm/speech-rate'] = 1;
      if (step % 10 === 0) row.validation = { reward: { cerHeldOut: 0.22 - 0.13 * done + noise(0.01) } };
    }
    return JSON.stringify(row);
  });
  return `${lines.join('\n')}\n`;
}

const around = (mean: number, half: number) => ({ mean, low: mean - half, high: mean + half });

/** A made-up summary with everything in it. */
export function fakeSummary(): Summary {
  const stage = (name: StageName, guidance: number, cer: number) => ({
    name,
    guidance,
    cer: around(cer, 0.012 + 0.06 * cer),
    cerHeldOut: around(cer * 0.93, 0.012 + 0.06 * cer),
    cerCumulative: around(cer * 1.02, 0.02),
    ssim: around(0.7 - cer / 2, 0.03),
    ssimHeldOut: around(0.66 - cer / 2, 0.03),
    quality: around(0.88 - cer / 6, 0.008),
    runawayRate: cer / 20,
    lengthRatio: around(1.06 - cer / 4, 0.02),
    items: 150,
    seeds: 3,
  });
  const cers = [0.321, 0.142, 0.121, 0.048, 0.041, 0.152, 0.101];
  const languages = { de: 0.05, en: 0.061, es: 0.043, fr: 0.072, it: 0.041, nl: 0.066 };
  const entries = Object.entries(languages);
  return {
    language: 'pt',
    title: 'Align2Speak demo: Portuguese',
    about: [
      'The speech in this demo is synthetic: espeak-ng voices read sentences that the project wrote. No person was recorded.',
      'The model is tiny (2.7 million parameters) and trained on two CPU cores, so that the whole loop fits into ten minutes.',
    ],
    stages: stageNames.flatMap((name, i) => [
      stage(name, 1, cers[i]!),
      ...(i === 0 || i === 3 ? [stage(name, 2, cers[i]! * 0.8)] : []),
    ]),
    ceilings: {
      recording: { cer: around(0.021, 0.004), cerHeldOut: around(0.018, 0.004), ssim: around(0.74, 0.02) },
      resynthesis: { cer: around(0.035, 0.006), cerHeldOut: around(0.031, 0.006), ssim: around(0.7, 0.02) },
    },
    sourceLanguages: {
      before: Object.fromEntries(entries.map(([name, cer]) => [name, around(cer, 0.011)])),
      after: Object.fromEntries(entries.map(([name, cer]) => [name, around(cer * 0.92, 0.01)])),
    },
    comparisons: [
      {
        a: 'fine-tune+grpo',
        b: 'fine-tune',
        metric: 'cerHeldOut',
        difference: { mean: -0.089, low: -0.104, high: -0.075 },
        ratio: 2.96,
      },
      { a: 'fine-tune+grpo', b: 'fine-tune', metric: 'ssim', difference: { mean: 0.012, low: -0.006, high: 0.031 } },
    ],
    phases: {
      'set-up': 4,
      evaluate: 96,
      'fine-tune': 180,
      'fine-tune+grpo/rollouts': 121,
      'fine-tune+grpo/judges': 54,
      'fine-tune+grpo/update': 72,
    },
    elapsedSec: 540,
    samples: ['amanhã', 'segunda-feira'].map((prompt, i) => ({
      prompt: `test-${i}`,
      text: `O menino volta ${prompt} para casa.`,
      ipa: 'u menˈinu vˈɔltɐ ɐmɐɲˈɐ̃ pɐɾɐ kˈazɐ',
      voice: 'mario',
      files: {
        'voice prompt': 'samples/voice.wav',
        'zero-shot': `samples/${i}-zero.wav`,
        'fine-tune': `samples/${i}-fine.wav`,
        'fine-tune+grpo': `samples/${i}-grpo.wav`,
        recording: `samples/${i}-real.wav`,
      },
      cer: { 'zero-shot': 0.35, 'fine-tune': 0.12, 'fine-tune+grpo': 0, recording: 0 },
    })),
    series: {
      'fine-tune': 'fine-tune/metrics.jsonl',
      'fine-tune+grpo': ['grpo/metrics.jsonl'],
      grpo: ['zero-grpo/metrics.jsonl'],
    },
    alarms: [
      { rule: 'speech-rate', step: 41, message: 'speech is 6 % longer than at the start', stage: 'fine-tune+grpo' },
    ],
    reproduce: ['git checkout v0.1.0', 'npm run demo -- --set seed=1'],
  };
}

/** The files that `fakeSummary` names, and the summary, under a folder. */
export async function writeDemo(
  write: (name: string, content: string | Uint8Array) => Promise<string>,
  folder: string,
): Promise<void> {
  await write(`${folder}/summary.json`, JSON.stringify(fakeSummary()));
  await write(
    `${folder}/config.json`,
    JSON.stringify({ seed: 1, model: { dModel: 128, layers: 4 }, judge: '<script>alert(1)</script>' }),
  );
  await write(`${folder}/fine-tune/metrics.jsonl`, fakeMetrics('supervised', 250, 1));
  await write(`${folder}/grpo/metrics.jsonl`, fakeMetrics('grpo', 90, 2));
  await write(`${folder}/zero-grpo/metrics.jsonl`, fakeMetrics('grpo', 60, 3));
  await write(`${folder}/samples/voice.wav`, toneWav(180, 0.93));
  for (const i of [0, 1])
    for (const [at, name] of ['zero', 'fine', 'grpo', 'real'].entries())
      await write(`${folder}/samples/${i}-${name}.wav`, toneWav(160 + 20 * at, 1.9 - 0.2 * at));
}
