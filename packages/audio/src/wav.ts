import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { DataError, writeWhole } from '@align2speak/contracts';

/** A mono recording: `[S]` samples in [-1, 1] (float files may exceed it) at `sampleRate` Hz. */
export interface AudioClip {
  samples: Float32Array;
  sampleRate: number;
}

/**
 * Reads a mono WAV file of 16, 24 or 32-bit PCM or 32 or 64-bit float.
 *
 * @param sampleRate Hz that it must have; default: any
 * @throws DataError, naming file and byte, where it cannot be read, is damaged, cut short, of several channels, of another format or rate.
 */
export async function readWav(path: string, { sampleRate }: { sampleRate?: number } = {}): Promise<AudioClip> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    const got = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new DataError({ where: path, what: 'file', expected: 'a readable WAV file', got, cause });
  }
  const clip = decodeWav(bytes, path);
  if (sampleRate === undefined || clip.sampleRate === sampleRate) return clip;
  const [expected, got] = [sampleRate, clip.sampleRate].map((rate) => `${rate} Hz`) as [string, string];
  const hint = `convert it, e.g. sox ${basename(path)} -r ${sampleRate} new.wav`;
  throw new DataError({ where: path, what: 'sample rate', expected, got, hint });
}

/** Writes 16-bit PCM whole or not at all; samples beyond [-1, 1] are clipped. @throws DataError as {@link encodeWav} does. */
export async function writeWav(path: string, samples: Float32Array, sampleRate: number): Promise<void> {
  await writeWhole(path, encodeWav(samples, sampleRate, path));
}

/**
 * The bytes of a 16-bit PCM mono WAV file; samples beyond [-1, 1] are clipped.
 *
 * @param where what errors name
 * @throws DataError on a sample that is not a number.
 */
export function encodeWav(samples: Float32Array, sampleRate: number, where = 'wav'): Uint8Array {
  const bytes = new Uint8Array(44 + 2 * samples.length);
  const view = new DataView(bytes.buffer);
  const text = (at: number, name: string) => bytes.set(new TextEncoder().encode(name), at);
  text(0, 'RIFF');
  view.setUint32(4, bytes.length - 8, true);
  text(8, 'WAVEfmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, sampleRate, true);
  view.setUint32(28, 2 * sampleRate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, 'data');
  view.setUint32(40, 2 * samples.length, true);
  for (let i = 0; i < samples.length; i++) {
    const value = Math.round(samples[i]! * 32768);
    if (Number.isNaN(value))
      throw new DataError({ where, what: `sample ${i}`, expected: 'a number in [-1, 1]', got: String(samples[i]) });
    view.setInt16(44 + 2 * i, Math.max(-32768, Math.min(32767, value)), true);
  }
  return bytes;
}

interface Format {
  float: boolean;
  bits: number;
  sampleRate: number;
}

/** {@link readWav} of bytes in memory. @param where what errors name. @throws DataError as there. */
export function decodeWav(bytes: Uint8Array, where = 'wav'): AudioClip {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const name = (at: number) => new TextDecoder('latin1').decode(bytes.subarray(at, at + 4));
  const refuse = (at: number, expected: string, got: string, hint?: string): never => {
    throw new DataError({ where, what: `byte ${at}`, expected, got, hint });
  };
  if (bytes.length < 12) refuse(bytes.length, 'the 12 bytes of a RIFF header', 'the end of the file');
  if (name(0) !== 'RIFF' || name(8) !== 'WAVE')
    refuse(0, "'RIFF' and 'WAVE'", `'${name(0)}' and '${name(8)}'`, 'convert it: ffmpeg -i <file> -ac 1 <file>.wav');
  let format: Format | undefined;
  for (let at = 12; ; ) {
    if (at + 8 > bytes.length) refuse(at, format ? "a 'data' chunk" : "a 'fmt ' chunk", 'the end of the file');
    const [kind, size, begin] = [name(at), view.getUint32(at + 4, true), at + 8];
    if (size > bytes.length - begin)
      refuse(at + 4, `a chunk '${kind}' of at most ${bytes.length - begin} bytes`, `${size}`);
    if (kind === 'fmt ') format = readFormat(view, { begin, size, refuse });
    if (kind === 'data') {
      if (!format) return refuse(at, "a 'fmt ' chunk before the data", 'none');
      const width = format.bits / 8;
      if (size % width !== 0) refuse(at + 4, `whole samples of ${width} bytes`, `${size} bytes`);
      return { samples: readSamples(view, { begin, size, format, refuse }), sampleRate: format.sampleRate };
    }
    at = begin + size + (size % 2); // chunks begin at even bytes
  }
}

type Refuse = (at: number, expected: string, got: string, hint?: string) => never;

function readFormat(view: DataView, { begin, size, refuse }: { begin: number; size: number; refuse: Refuse }): Format {
  if (size < 16) refuse(begin - 4, "a 'fmt ' chunk of at least 16 bytes", `${size}`);
  const at = (offset: number) => view.getUint16(begin + offset, true);
  // 0xFFFE: the true code opens the sub-format's identifier.
  const code = at(0) === 0xfffe && size >= 26 ? at(24) : at(0);
  const [channels, sampleRate, bits] = [at(2), view.getUint32(begin + 4, true), at(14)];
  const float = code === 3;
  if ((code !== 1 && !float) || !(float ? [32, 64] : [16, 24, 32]).includes(bits))
    refuse(
      begin,
      'PCM of 16, 24 or 32 bits or float of 32 or 64',
      `format ${code} of ${bits} bits`,
      'convert it: ffmpeg -i <file> -c:a pcm_s16le <out>.wav',
    );
  if (channels !== 1) refuse(begin + 2, 'one channel', `${channels}`, 'mix it down: ffmpeg -i <file> -ac 1 <out>.wav');
  if (sampleRate === 0) refuse(begin + 4, 'a sample rate in Hz', '0');
  return { float, bits, sampleRate };
}

interface SampleSource {
  begin: number;
  size: number;
  format: Format;
  refuse: Refuse;
}

function readSamples(view: DataView, { begin, size, format, refuse }: SampleSource): Float32Array {
  const width = format.bits / 8;
  const read: Record<string, (at: number) => number> = {
    16: (at) => view.getInt16(at, true) / 2 ** 15,
    24: (at) => ((view.getInt8(at + 2) << 16) | view.getUint16(at, true)) / 2 ** 23,
    32: (at) => view.getInt32(at, true) / 2 ** 31,
    float32: (at) => view.getFloat32(at, true),
    float64: (at) => view.getFloat64(at, true),
  };
  const sampleAt = read[`${format.float ? 'float' : ''}${format.bits}`]!;
  const samples = new Float32Array(size / width);
  for (let i = 0; i < samples.length; i++) {
    const value = sampleAt(begin + i * width);
    if (!Number.isFinite(value)) refuse(begin + i * width, 'a finite sample', String(value));
    samples[i] = value;
  }
  return samples;
}
