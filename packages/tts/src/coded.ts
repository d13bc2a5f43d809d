import { createHash } from 'node:crypto';
import { mkdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { readWav } from '@align2speak/audio';
import { encodeWavs, loadCodec } from '@align2speak/codec';
import { type Codes, DataError, randomIndex, sliceCodes } from '@align2speak/contracts';
import { readManifest, type Utterance } from '@align2speak/data';
import { encodeIpa } from '@align2speak/text';
import { openSafetensors, writeSafetensors } from '@align2speak/weights';

/** An utterance with its text as tokens and its audio as codes. */
export interface CodedUtterance {
  utterance: Utterance;
  tokens: Int32Array;
  codes: Codes;
}

/** Utterances that one native call encodes. */
const chunk = 64;

/**
 * The utterances of a manifest with their codes.
 *
 * Codes are computed once for each manifest and codec, and kept beside the manifest in `.codes/`.
 * @param onProgress called with utterances encoded and in all, where they are not there yet
 * @throws DataError, CheckpointError as the parts do.
 */
export async function loadCoded(
  manifest: string,
  codecFolder: string,
  onProgress: (done: number, total: number) => void = () => {},
): Promise<CodedUtterance[]> {
  const utterances = await readManifest(manifest);
  const cache = join(
    dirname(manifest),
    '.codes',
    `${basename(manifest)}.${await codedKey(manifest, utterances, codecFolder)}.safetensors`,
  );
  const codes = (await readCache(cache)) ?? (await encodeAll(utterances, codecFolder, { cache, onProgress }));
  return utterances.map((utterance, i) => ({ utterance, tokens: encodeIpa(utterance.ipa), codes: codes[i]! }));
}

/** Names what follows from a manifest, its audio and a codec: it changes when one of them does (audio: its size or time of change). */
export async function codedKey(
  manifest: string,
  utterances: readonly Utterance[],
  codecFolder: string,
): Promise<string> {
  const hash = createHash('sha256')
    .update(await readFile(manifest))
    .update(await readFile(join(codecFolder, 'weights.safetensors')));
  for (const { audioPath } of utterances) {
    const { size, mtimeMs } = await stat(audioPath).catch((cause) => {
      throw new DataError({
        where: audioPath,
        what: 'file',
        expected: `audio, named in ${manifest}`,
        got: cause.code,
        cause,
      });
    });
    hash.update(`${size} ${mtimeMs}\n`);
  }
  return hash.digest('hex').slice(0, 16);
}

async function readCache(path: string): Promise<Codes[] | undefined> {
  const file = await openSafetensors(path).catch(() => undefined);
  if (!file) return undefined;
  const [all, frames] = await Promise.all([file.int32('codes'), file.int32('frames')]);
  await file.close();
  const codebooks = all.length / frames.reduce((sum, n) => sum + n, 0);
  let at = 0;
  return Array.from(frames, (n) => {
    const data = all.slice(at, at + codebooks * n);
    at += codebooks * n;
    return { data, frames: n };
  });
}

async function encodeAll(
  utterances: readonly Utterance[],
  codecFolder: string,
  { cache, onProgress }: { cache: string; onProgress: (done: number, total: number) => void },
): Promise<Codes[]> {
  const codec = await loadCodec(codecFolder);
  const codes: Codes[] = [];
  try {
    for (let begin = 0; begin < utterances.length; begin += chunk) {
      const wavs = [];
      for (const { audioPath } of utterances.slice(begin, begin + chunk))
        wavs.push((await readWav(audioPath, { sampleRate: codec.config.sampleRate })).samples);
      codes.push(...(await encodeWavs(codec, wavs)));
      onProgress(codes.length, utterances.length);
    }
  } finally {
    codec.dispose();
  }
  const all = Int32Array.from(codes.flatMap(({ data }) => [...data]));
  await mkdir(dirname(cache), { recursive: true });
  await writeSafetensors(cache, [
    { name: 'codes', dtype: 'I32', shape: [all.length], data: all },
    { name: 'frames', dtype: 'I32', shape: [codes.length], data: Int32Array.from(codes, ({ frames }) => frames) },
  ]);
  return codes;
}

/** Finds voice prompts: some other speech of the same speaker, cut to a number of frames. */
export class Voices {
  readonly #bySpeaker = new Map<string, number[]>();
  readonly #corpus: readonly CodedUtterance[];
  readonly #frames: number;

  constructor(corpus: readonly CodedUtterance[], frames: number) {
    this.#corpus = corpus;
    this.#frames = frames;
    corpus.forEach(({ utterance: { speaker } }, i) => {
      const list = this.#bySpeaker.get(speaker);
      if (list) list.push(i);
      else this.#bySpeaker.set(speaker, [i]);
    });
  }

  /** Another utterance of the speaker of utterance `index`, or that one itself where it is the only one. */
  other(index: number, ...key: number[]): number {
    const own = this.#bySpeaker.get(this.#corpus[index]!.utterance.speaker)!;
    if (own.length === 1) return index;
    const others = own.filter((i) => i !== index);
    return others[randomIndex(others.length, ...key)]!;
  }

  /** Frames of an utterance: as many as a voice prompt has, from a random place; fewer where it is shorter. */
  crop(index: number, ...key: number[]): Codes {
    const { codes } = this.#corpus[index]!;
    const start = randomIndex(Math.max(1, codes.frames - this.#frames + 1), ...key);
    return sliceCodes(codes, start, Math.min(codes.frames, start + this.#frames));
  }
}
