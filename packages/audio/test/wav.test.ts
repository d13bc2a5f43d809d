import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeWav, encodeWav, readWav, writeWav } from '@align2speak/audio';
import { DataError } from '@align2speak/contracts';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'audio-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Parts {
  code?: number;
  channels?: number;
  rate?: number;
  bits?: number;
  /** Chunks before the data. */
  before?: Uint8Array;
  data?: Uint8Array;
  extensible?: boolean;
}

/** A WAV file put together by hand. */
function wavOf({ code = 1, channels = 1, rate = 16000, bits = 16, before, data, extensible = false }: Parts): Buffer {
  const format = Buffer.alloc(extensible ? 40 : 16);
  format.writeUInt16LE(extensible ? 0xfffe : code, 0);
  format.writeUInt16LE(channels, 2);
  format.writeUInt32LE(rate, 4);
  format.writeUInt32LE((rate * channels * bits) / 8, 8);
  format.writeUInt16LE((channels * bits) / 8, 12);
  format.writeUInt16LE(bits, 14);
  if (extensible) format.writeUInt16LE(code, 24);
  const body = Buffer.concat([
    Buffer.from('WAVE'),
    chunk('fmt ', format),
    before ?? Buffer.alloc(0),
    chunk('data', data ?? Buffer.alloc(4)),
  ]);
  return chunk('RIFF', body);
}

function chunk(name: string, content: Uint8Array): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(content.length);
  return Buffer.concat([Buffer.from(name, 'latin1'), size, content, Buffer.alloc(content.length % 2)]);
}

const refused = (bytes: Uint8Array) => {
  try {
    decodeWav(bytes, 'x.wav');
  } catch (error) {
    expect(error).toBeInstanceOf(DataError);
    return (error as DataError).message;
  }
  throw new Error('was not refused');
};

describe('16-bit files', () => {
  it('give every sample back within half a step, and clip beyond 1', () => {
    const sample = fc.float({ min: -2, max: 2, noNaN: true });
    fc.assert(
      fc.property(fc.array(sample), fc.integer({ min: 1, max: 192_000 }), (values, rate) => {
        const clip = decodeWav(encodeWav(Float32Array.from(values), rate));
        expect(clip.sampleRate).toBe(rate);
        expect(clip.samples.length).toBe(values.length);
        for (const [i, value] of values.entries()) {
          const clipped = Math.max(-1, Math.min(32767 / 32768, value));
          expect(Math.abs(clip.samples[i]! - clipped)).toBeLessThanOrEqual(0.5 / 32768);
        }
      }),
    );
  });
  it('are written whole and read from disk', async () => {
    const path = join(folder, 'a.wav');
    await writeWav(path, Float32Array.of(0, 0.5, -0.25), 22050);
    const { samples, sampleRate } = await readWav(path);
    expect([...samples, sampleRate]).toEqual([0, 0.5, -0.25, 22050]);
    await expect(writeWav(join(folder, 'none', 'a.wav'), samples, 22050)).rejects.toThrow(/none.*ENOENT/s);
    await expect(writeWav(path, Float32Array.of(Number.NaN), 22050)).rejects.toThrow(/a\.wav: sample 0: .*NaN/);
    expect(readdirSync(folder)).toEqual(['a.wav']);
  });
});

describe('other formats', () => {
  const halves = (data: Buffer, parts: Parts) => [...decodeWav(wavOf({ data, ...parts })).samples];

  it('24 and 32-bit PCM, 32 and 64-bit float', () => {
    const pcm24 = Buffer.from('0000400000e0', 'hex');
    const pcm32 = Buffer.from(Int32Array.of(2 ** 30, -(2 ** 29)).buffer);
    const float32 = Buffer.from(Float32Array.of(0.5, -0.25).buffer);
    const float64 = Buffer.from(Float64Array.of(0.5, -0.25).buffer);
    expect(halves(pcm24, { bits: 24 })).toEqual([0.5, -0.25]);
    expect(halves(pcm32, { bits: 32 })).toEqual([0.5, -0.25]);
    expect(halves(float32, { bits: 32, code: 3 })).toEqual([0.5, -0.25]);
    expect(halves(float64, { bits: 64, code: 3 })).toEqual([0.5, -0.25]);
    expect(halves(float32, { bits: 32, code: 3, extensible: true })).toEqual([0.5, -0.25]);
  });
  it('chunks of odd size before the data', () => {
    expect(decodeWav(wavOf({ before: chunk('LIST', Buffer.alloc(3)) })).samples.length).toBe(2);
  });
});

describe('refusals name file and byte', () => {
  it.each<[string, Uint8Array, RegExp]>([
    ['nothing', Buffer.alloc(0), /^x\.wav: byte 0: expected the 12 bytes/],
    ['another file', Buffer.from('ID3 this is no sound'), /byte 0: expected 'RIFF'.*hint: convert/s],
    ['two channels', wavOf({ channels: 2 }), /byte 22: expected one channel, got 2\nhint: mix/],
    ['8 bits', wavOf({ bits: 8 }), /byte 20: .*got format 1 of 8 bits\nhint: convert/s],
    ['mu-law', wavOf({ code: 7, bits: 8 }), /format 7/],
    ['no rate', wavOf({ rate: 0 }), /byte 24: expected a sample rate/],
    ['cut short', wavOf({}).subarray(0, 46), /byte 40: expected a chunk 'data' of at most 2 bytes, got 4/],
    ['no data', wavOf({}).subarray(0, 36), /byte 36: expected a 'data' chunk, got the end/],
    ['half a sample', wavOf({ data: Buffer.alloc(3) }), /byte 40: expected whole samples of 2 bytes, got 3 bytes/],
    ['no number', wavOf({ code: 3, bits: 32, data: Buffer.from('0000c07f', 'hex') }), /byte 44: .*got NaN/],
    [
      'data first',
      chunk('RIFF', Buffer.concat([Buffer.from('WAVE'), chunk('data', Buffer.alloc(2))])),
      /byte 12: .*'fmt '/,
    ],
  ])('%s', (_, bytes, message) => expect(refused(bytes)).toMatch(message));

  it('a file that is not there', async () => {
    await expect(readWav(join(folder, 'nowhere.wav'))).rejects.toThrow(/nowhere\.wav: file: .*ENOENT/);
  });
  it('any damage: an error of the family, never another', () => {
    const sound = encodeWav(Float32Array.of(0.1, 0.2, 0.3), 22050);
    fc.assert(
      fc.property(fc.nat(sound.length - 1), fc.nat(255), fc.nat(sound.length), (at, value, length) => {
        const damaged = sound.slice(0, length);
        if (at < length) damaged[at] = value;
        try {
          decodeWav(damaged);
        } catch (error) {
          expect(error).toBeInstanceOf(DataError);
        }
      }),
    );
    writeFileSync(join(folder, 'cut.wav'), sound.subarray(0, 20));
    return expect(readWav(join(folder, 'cut.wav'))).rejects.toThrow(/cut\.wav: byte 16: /);
  });
});
