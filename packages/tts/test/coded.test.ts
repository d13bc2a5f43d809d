import { appendFileSync, readdirSync, readFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeWav, readWav } from '@align2speak/audio';
import { encodeWavs, loadCodec } from '@align2speak/codec';
import { encodeIpa } from '@align2speak/text';
import { type CodedUtterance, loadCoded, Voices } from '@align2speak/tts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeProject, type Project } from '../../train/test/fixtures/project.js';

let project: Project;
beforeAll(async () => {
  project = await makeProject();
});
afterAll(() => project.remove());

/** Loads a manifest, and tells how many of its utterances had to be encoded. */
async function load(manifest: string) {
  let encoded = 0;
  const coded = await loadCoded(manifest, project.codec, (done) => {
    encoded = done;
  });
  return { coded, encoded };
}
const cached = () => readdirSync(project.path('train/.codes')).map((name) => project.path('train/.codes', name));

describe('loadCoded', () => {
  it('encodes a manifest once', async () => {
    const first = await load(project.train);
    expect(first.encoded).toBe(10);
    const codec = await loadCodec(project.codec);
    for (const { utterance, tokens, codes } of first.coded) {
      expect(tokens).toEqual(encodeIpa(utterance.ipa));
      expect([codes]).toEqual(await encodeWavs(codec, [(await readWav(utterance.audioPath)).samples]));
    }
    codec.dispose();
    expect(await load(project.train)).toEqual({ ...first, encoded: 0 });
  });

  it('encodes it again once manifest, audio or cache are not what they were', async () => {
    const { coded } = await load(project.train);
    truncateSync(cached()[0]!, 50);
    expect(await load(project.train)).toEqual({ coded, encoded: 10 });
    appendFileSync(project.train, `${readFileSync(project.train, 'utf8').split('\n')[0]}\n`);
    const longer = await load(project.train);
    expect(longer.encoded).toBe(11);
    expect(longer.coded[10]!.codes).toEqual(coded[0]!.codes);
    expect(cached()).toHaveLength(2);
    const { audioPath } = coded[0]!.utterance;
    utimesSync(audioPath, 1, 1);
    expect((await load(project.train)).encoded).toBe(11);
    rmSync(audioPath);
    await expect(load(project.train)).rejects.toThrow(/: file: expected audio, named in .*train.*, got ENOENT$/);
  });

  it('refuses speech at another rate than the codec has', async () => {
    const folder = project.path('train');
    writeFileSync(join(folder, 'fast.wav'), encodeWav(new Float32Array(9000), 16_000));
    const line = { audio_filepath: 'fast.wav', text: 'a', ipa: 'a', duration: 1, speaker: 's', lang: 'pt' };
    writeFileSync(join(folder, 'fast.jsonl'), JSON.stringify(line));
    await expect(load(join(folder, 'fast.jsonl'))).rejects.toThrow(
      /fast\.wav: sample rate: expected 8000 Hz, got 16000 Hz\nhint: convert it, e\.g\. sox fast\.wav -r 8000 new\.wav/,
    );
  });
});

describe('Voices', () => {
  const speech = (speaker: string, frames: number): CodedUtterance => ({
    utterance: { audioPath: '', text: 'a', ipa: 'a', durationSec: 1, speaker, lang: 'pt' },
    tokens: encodeIpa('a'),
    codes: { frames, data: Int32Array.from({ length: 2 * frames }, (_, i) => i) },
  });
  const corpus = [speech('a', 9), speech('b', 9), speech('a', 3), speech('a', 9), speech('c', 9)];
  const voices = new Voices(corpus, 4);

  it('are other speech of the speaker; the only utterance of one is its own', () => {
    const found = new Set(Array.from({ length: 50 }, (_, i) => voices.other(0, i)));
    expect(found).toEqual(new Set([2, 3]));
    expect(voices.other(4, 1)).toBe(4);
    expect(voices.other(0, 7)).toBe(voices.other(0, 7));
  });

  it('are cut at every place, to as many frames as there are', () => {
    const starts = new Set(Array.from({ length: 100 }, (_, i) => voices.crop(0, i).data[0]));
    expect(starts).toEqual(new Set([0, 1, 2, 3, 4, 5]));
    const { data, frames } = voices.crop(0, 1);
    expect(frames).toBe(4);
    expect([...data]).toEqual([0, 1, 2, 3, 9, 10, 11, 12].map((code) => code + data[0]!));
    expect(voices.crop(2, 1).frames).toBe(3);
  });
});
