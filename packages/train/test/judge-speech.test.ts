import { readWav } from '@align2speak/audio';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { loadJudgeSpeech } from '../src/judge-speech.js';
import { makeProject, type Project } from './fixtures/project.js';

let project: Project;
beforeAll(async () => {
  vi.spyOn(process.stderr, 'write').mockReturnValue(true); // lines of progress
  project = await makeProject();
});
afterAll(() => {
  vi.restoreAllMocks();
  project.remove();
});

const hop = 512;
const load = (speeds?: [number, number]) =>
  loadJudgeSpeech([project.train], project.codec, { damage: true, seed: 3, ...(speeds && { speeds }) });

test('speech passes through the codec at the speed of each utterance, recordings stay', async () => {
  const [plain, faster, again, other] = [
    await load(),
    await load([1.25, 1.25]),
    await load([1.25, 1.25]),
    await load([0.8, 1.25]),
  ];
  const lengths = (speech: typeof plain) => speech.map(({ resynthesis }) => resynthesis.length);
  for (const [i, { utterance, recording, resynthesis, damaged }] of faster.entries()) {
    expect(recording).toEqual((await readWav(utterance.audioPath)).samples);
    expect(recording).toEqual(plain[i]!.recording);
    expect(resynthesis.length).toBe(hop * Math.ceil((Math.floor((recording.length - 1) / 1.25) + 1) / hop));
    expect(damaged!.wav.length).toBe(resynthesis.length);
    expect(damaged!.quality).toBeLessThanOrEqual(1);
  }
  expect(lengths(plain)).toEqual(plain.map(({ recording }) => hop * Math.ceil(recording.length / hop)));
  expect(again).toEqual(faster);
  expect(lengths(other)).not.toEqual(lengths(faster));
});
