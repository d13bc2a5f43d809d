import { DataError } from '@align2speak/contracts';

/** A WAV file: how long it lasts, and its shape where it is 16-bit PCM. */
export interface Wave {
  readonly durationSec: number;
  /** Largest |sample| of equal stretches, in [0, 1]; none for other encodings. */
  readonly peaks: readonly number[] | undefined;
}

/**
 * Reads what a picture of a WAV file takes.
 *
 * @param bars Stretches to take peaks of.
 * @throws DataError where the bytes are no WAV file with audio in it.
 */
export function readWave(bytes: Buffer, path: string, bars: number): Wave {
  const refuse = (what: string, expected: string, got: string) => new DataError({ where: path, what, expected, got });
  const tag = (at: number) => bytes.toString('latin1', at, at + 4);
  if (bytes.length < 12 || tag(0) !== 'RIFF' || tag(8) !== 'WAVE')
    throw refuse('file', 'a WAV file', `${bytes.length} bytes that are none`);
  let format: Buffer | undefined;
  for (let at = 12; at + 8 <= bytes.length; ) {
    const size = bytes.readUInt32LE(at + 4);
    const content = bytes.subarray(at + 8, at + 8 + size);
    if (tag(at) === 'fmt ' && size >= 16) format = content;
    if (tag(at) === 'data') {
      const byteRate = format?.readUInt32LE(8) ?? 0;
      if (!format || byteRate === 0) throw refuse('fmt', 'a byte rate', 'none');
      if (content.length === 0) throw refuse('data', 'audio', '0 bytes');
      const pcm16 = format.readUInt16LE(0) === 1 && format.readUInt16LE(14) === 16;
      return { durationSec: content.length / byteRate, peaks: pcm16 ? peaksOf(content, bars) : undefined };
    }
    at += 8 + size + (size % 2);
  }
  throw refuse('data', 'a chunk of audio', 'none');
}

function peaksOf(content: Buffer, bars: number): number[] {
  const samples = Math.floor(content.length / 2);
  return Array.from({ length: bars }, (_, bar) => {
    let peak = 0;
    const end = Math.floor(((bar + 1) * samples) / bars);
    for (let i = Math.floor((bar * samples) / bars); i < end; i++)
      peak = Math.max(peak, Math.abs(content.readInt16LE(2 * i)));
    return peak / 32768;
  });
}
