import { appendFile, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { EventWriter } from '@align2speak/report';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32c, maskedCrc32c } from '../src/crc32c.js';
import { inFolder } from './fixture.js';

const folder = inFolder();

describe('CRC-32C', () => {
  // The vectors of RFC 3720, appendix B.4, and the usual check value.
  it.each([
    ['32 zeros', new Uint8Array(32), 0x8a9136aa],
    ['32 ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
    ['0 to 31', Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
    ['31 to 0', Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
    ['"123456789"', new TextEncoder().encode('123456789'), 0xe3069283],
  ] as const)('of %s', (_, bytes, expected) => {
    expect(crc32c(bytes)).toBe(expected);
  });

  it('is masked as TFRecord files have it', () => {
    // The head of every event file that TensorFlow itself begins: a first record of 24 bytes.
    const length = Uint8Array.of(24, 0, 0, 0, 0, 0, 0, 0);
    expect(maskedCrc32c(length)).toBe(Buffer.from([0xa3, 0x7f, 0x4b, 0x22]).readUInt32LE());
  });
});

interface ReadEvent {
  wallTime: number;
  step?: number;
  version?: string;
  restart?: boolean;
  scalars?: [string, number][];
}

/** Fields of a protobuf message, in the order they stand. */
function fields(bytes: Buffer): { field: number; value: number | Buffer }[] {
  const found: { field: number; value: number | Buffer }[] = [];
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes.readUInt8(at++);
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const key = varint();
    const [field, type] = [key >> 3, key & 7];
    if (type === 0) found.push({ field, value: varint() });
    else {
      const size = type === 1 ? 8 : type === 5 ? 4 : type === 2 ? varint() : Number.NaN;
      if (!(at + size <= bytes.length)) throw new Error(`field ${field}: wire type ${type} at ${at}`);
      found.push({ field, value: bytes.subarray(at, at + size) });
      at += size;
    }
  }
  return found;
}

/** Reads a whole event file and refuses everything that is not exactly what it should be. */
async function readEvents(path: string): Promise<ReadEvent[]> {
  const file = await readFile(path);
  const events: ReadEvent[] = [];
  for (let at = 0; at < file.length; ) {
    const size = Number(file.readBigUInt64LE(at));
    expect(file.readUInt32LE(at + 8)).toBe(maskedCrc32c(file.subarray(at, at + 8)));
    const data = file.subarray(at + 12, at + 12 + size);
    expect(file.readUInt32LE(at + 12 + size)).toBe(maskedCrc32c(data));
    at += size + 16;
    const event: ReadEvent = { wallTime: Number.NaN };
    for (const { field, value } of fields(data)) {
      if (field === 1) event.wallTime = (value as Buffer).readDoubleLE();
      else if (field === 2) event.step = value as number;
      else if (field === 3) event.version = (value as Buffer).toString();
      else if (field === 5) event.scalars = fields(value as Buffer).map((item) => scalar(item.value as Buffer));
      else if (field === 7) event.restart = fields(value as Buffer)[0]!.value === 1;
      else throw new Error(`field ${field}`);
    }
    events.push(event);
  }
  return events;
}

function scalar(bytes: Buffer): [string, number] {
  const [tag, value] = fields(bytes);
  expect([tag!.field, value!.field]).toEqual([1, 2]);
  return [(tag!.value as Buffer).toString(), (value!.value as Buffer).readFloatLE()];
}

const begin = async (name: string) => {
  const writer = await EventWriter.open(folder.path(name));
  await writer.scalars(0, 1.5, { 'loss/total': 3 });
  await writer.scalars(1, 2.5, { 'loss/total': 2 });
  await writer.close();
  return writer.path;
};

describe('an event file', () => {
  it('holds what was written, bit by bit', async () => {
    let run = 0;
    const step = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
    const values = fc.dictionary(fc.string({ unit: 'grapheme', minLength: 1 }), fc.float());
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(step, fc.double({ noNaN: true }), values), { maxLength: 5 }), async (rows) => {
        const writer = await EventWriter.open(folder.path(`property-${run++}`));
        for (const row of rows) await writer.scalars(...row);
        await writer.close();
        const [first, ...rest] = await readEvents(writer.path);
        expect(first!.version).toBe('brain.Event:2');
        expect(rest.map((event) => [event.step, event.wallTime, event.scalars ?? []])).toEqual(
          rows.map(([at, time, scalars]) => [at, time, Object.entries(scalars)]),
        );
      }),
      { seed: 7, numRuns: 50 },
    );
  });

  it('goes on where it stopped, in the same file', async () => {
    const path = await begin('again');
    const writer = await EventWriter.open(folder.path('again'));
    await writer.scalars(2, 3.5, { 'loss/total': 1 });
    await writer.close();
    expect(await readdir(folder.path('again'))).toHaveLength(1);
    expect((await readEvents(path)).map(({ step }) => step)).toEqual([undefined, 0, 1, 2]);
  });

  it('tells TensorBoard at which step a resumed run starts again', async () => {
    const path = await begin('resumed');
    await (await EventWriter.open(folder.path('resumed'), { resumeStep: 1 })).close();
    expect((await readEvents(path)).at(-1)).toMatchObject({ step: 1, restart: true });
  });

  it('loses a record cut anywhere, and no other', async () => {
    const whole = await readFile(await begin('whole'));
    const starts = [0, 40];
    while (starts.at(-1)! < whole.length) starts.push(starts.at(-1)! + 16 + whole.readUInt32LE(starts.at(-1)!));
    expect(starts.at(-1)).toBe(whole.length);
    const path = await begin('torn');
    for (let cut = starts[2]!; cut < whole.length; cut++) {
      await writeFile(path, whole);
      await truncate(path, cut);
      await (await EventWriter.open(folder.path('torn'))).close();
      expect((await readEvents(path)).map(({ step }) => step)).toEqual([undefined, 0]);
    }
  });

  it('loses the zeros that a power cut left behind it', async () => {
    const path = await begin('zeros');
    await appendFile(path, new Uint8Array(100));
    await (await EventWriter.open(folder.path('zeros'))).close();
    expect(await readEvents(path)).toHaveLength(3);
  });

  it('begins anew where not even the first record is whole', async () => {
    const path = await begin('short');
    await truncate(path, 7);
    await (await EventWriter.open(folder.path('short'))).close();
    expect((await readEvents(path)).map(({ version }) => version)).toEqual(['brain.Event:2']);
  });

  it('is not touched where it is damaged before its end', async () => {
    const path = await begin('damaged');
    const damaged = await readFile(path);
    damaged[50]! ^= 1;
    await writeFile(path, damaged);
    await expect(EventWriter.open(folder.path('damaged'))).rejects.toMatchObject({
      name: 'CheckpointError',
      what: 'record at byte 40: checksum',
    });
    expect(await readFile(path)).toEqual(damaged);
  });

  it.each([-1, 0.5, Number.NaN])('refuses step %s', async (step) => {
    const writer = await EventWriter.open(folder.path('steps'));
    await expect(writer.scalars(step, 0, { a: 1 })).rejects.toMatchObject({ name: 'DataError', what: 'step' });
    await writer.close();
  });
});
