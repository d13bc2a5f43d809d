import { loadCodec } from '@align2speak/codec';
import { evaluateRecordings, evaluateTts, loadTestSet, openPanel, type TestPrompt } from '@align2speak/evaluate';
import { loadTts } from '@align2speak/tts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeProject, type Project } from '../../train/test/fixtures/project.js';

let project: Project;
let prompts: TestPrompt[];
let parts: {
  model: Awaited<ReturnType<typeof loadTts>>;
  codec: Awaited<ReturnType<typeof loadCodec>>;
  panel: Awaited<ReturnType<typeof openPanel>>;
};
const setOf = (most?: number) =>
  loadTestSet({ manifest: project.validation, voices: [project.train], codec: project.codec, contextFrames: 2, most });
beforeAll(async () => {
  project = await makeProject();
  const { recogniser, heldOut, speaker, quality } = project.judges;
  prompts = await setOf();
  parts = {
    model: await loadTts(project.tts),
    codec: await loadCodec(project.codec),
    panel: await openPanel({ recogniser, heldOutRecogniser: heldOut, speaker, quality }),
  };
});
afterAll(async () => {
  await parts.panel.close();
  project.remove();
});

describe('loadTestSet', () => {
  it('gives a text the same voice however many texts are tested', async () => {
    expect(prompts).toHaveLength(6);
    for (const prompt of await setOf(3)) expect(prompts).toContainEqual(prompt);
    for (const { speaker, voiceKey, name, voice } of prompts) {
      expect(voiceKey).not.toBe(name);
      expect(voiceKey).toMatch(/train/);
      expect(voice.frames).toBe(2);
      const index = Number(/(\d+)\.wav/.exec(voiceKey)![1]);
      expect(`s${index % 3}`).toBe(speaker);
    }
  });

  it('refuses a speaker without other speech', async () => {
    const alone = loadTestSet({
      manifest: project.validation,
      voices: [project.validation],
      codec: project.codec,
      contextFrames: 2,
    });
    expect((await alone).length).toBe(6);
    const { writeFileSync, readFileSync } = await import('node:fs');
    const line = readFileSync(project.train, 'utf8').split('\n')[0]!;
    const path = project.path('train/one.jsonl');
    writeFileSync(path, line.replace('"s0"', '"stranger"'));
    await expect(
      loadTestSet({ manifest: path, voices: [project.train], codec: project.codec, contextFrames: 2 }),
    ).rejects.toThrow(/one\.jsonl: .*0\.wav: expected another utterance of speaker stranger in .*, got none/);
  });
});

describe('evaluateTts', () => {
  const settings = { seeds: [1, 2], sampling: { temperature: 1, minFrames: 2 }, maxFrames: 8 };
  const sorted = <T extends { prompt: string; seed: number }>(items: T[]) =>
    [...items].sort((a, b) => a.seed - b.seed || (a.prompt < b.prompt ? -1 : 1));

  it('says the same however prompts are cut into chunks', async () => {
    const [whole, cut, single] = [
      await evaluateTts(parts, prompts, settings),
      await evaluateTts(parts, prompts, { ...settings, promptsAtOnce: 4 }),
      await evaluateTts(parts, prompts, { ...settings, promptsAtOnce: 1 }),
    ];
    expect(whole.items).toHaveLength(12);
    expect(whole.wavs).toHaveLength(6);
    for (const other of [cut, single]) {
      for (const [i, item] of sorted(other.items).entries()) {
        const { ssim, quality, ...exact } = item;
        const { ssim: ssimThen, quality: qualityThen, ...then } = sorted(whole.items)[i]!;
        expect(exact).toEqual(then);
        // Judges round differently in other batches.
        expect(ssim).toBeCloseTo(ssimThen!, 4);
        expect(quality).toBeCloseTo(qualityThen!, 4);
      }
      expect(other.wavs.map(({ length }) => length)).toEqual(whole.wavs.map(({ length }) => length));
    }
  });

  it('says something else under another seed', async () => {
    const { items } = await evaluateTts(parts, prompts, settings);
    const framesOf = (seed: number) =>
      sorted(items.filter((item) => item.seed === seed)).map((item) => [item.frames, item.cerErrors]);
    expect(framesOf(1)).not.toEqual(framesOf(2));
  });

  it('ends with the error of a judge', async () => {
    const panel = await openPanel({ recogniser: project.judges.recogniser });
    const broken = {
      ...panel.recogniser,
      info: { ...panel.recogniser.info },
      run: () => Promise.reject(new Error('no voice')),
    };
    // Not heard is an utterance with all of it deleted, as silence is, or a failure that is seen: never a good score.
    const { items } = await evaluateTts({ ...parts, panel: { recogniser: broken } }, prompts, {
      ...settings,
      promptsAtOnce: 2,
    });
    for (const { cerErrors } of items) expect(cerErrors).toBeNaN();
    await panel.close();
  });
});

it('recordings and their resynthesis are judged as the ceilings', async () => {
  const { recording, resynthesis } = await evaluateRecordings(parts, prompts);
  for (const items of [recording, resynthesis]) {
    expect(items.map(({ prompt }) => prompt)).toEqual(prompts.map(({ name }) => name));
    for (const { frames, referenceFrames, truncated, cerLength } of items) {
      expect(frames).toBe(referenceFrames);
      expect(truncated).toBe(false);
      expect(cerLength).toBeGreaterThan(0);
    }
  }
  // One heard the recording, the other what the codec made of it.
  expect(recording.map(({ ssim }) => ssim)).not.toEqual(resynthesis.map(({ ssim }) => ssim));
});

it('a panel of a wrong judge opens none', async () => {
  const { recogniser } = project.judges;
  await expect(openPanel({ recogniser, speaker: recogniser })).rejects.toThrow(
    /recogniser\.onnx: kind: expected speaker, got recogniser/,
  );
});
