import { CheckpointError } from '@align2speak/contracts';
import { maskedCrc32c } from './crc32c.js';

/** Bytes of a TFRecord around its data: length and its CRC before, CRC of the data behind. */
const headSize = 12;
const tailSize = 4;

/** Frames one serialised event as a TFRecord. */
export function record(data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(headSize + data.length + tailSize);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc32c(bytes.subarray(0, 8)), true);
  bytes.set(data, headSize);
  view.setUint32(headSize + data.length, maskedCrc32c(data), true);
  return bytes;
}

/**
 * Length in bytes of the whole records at the start of an event file.
 *
 * What a killed process or a power cut leaves behind them, a record cut short or zeros, is not counted.
 * @throws CheckpointError where a record is whole but its checksum is wrong.
 */
export function soundLength(file: Uint8Array, path: string): number {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  let at = 0;
  while (file.length - at >= headSize) {
    if (file.subarray(at).every((byte) => byte === 0)) return at;
    check(view.getUint32(at + 8, true), file.subarray(at, at + 8), { path, at });
    const size = headSize + Number(view.getBigUint64(at, true)) + tailSize;
    if (size > file.length - at) return at;
    const end = at + size - tailSize;
    check(view.getUint32(end, true), file.subarray(at + headSize, end), { path, at });
    at += size;
  }
  return at;
}

function check(stored: number, bytes: Uint8Array, { path, at }: { path: string; at: number }): void {
  const actual = maskedCrc32c(bytes);
  if (stored === actual) return;
  throw new CheckpointError({
    where: path,
    what: `record at byte ${at}: checksum`,
    expected: hex(actual),
    got: hex(stored),
    hint: 'move the file out of the run folder; a new one is begun',
  });
}

const hex = (value: number) => `0x${value.toString(16).padStart(8, '0')}`;

/** What one event holds besides its time. */
export type EventContent =
  | { readonly fileVersion: string }
  | { readonly step: number; readonly scalars: Readonly<Record<string, number>> }
  | { readonly step: number; readonly restart: true };

/**
 * Serialises a TensorBoard event.
 *
 * @param wallTime seconds since 1970
 * @see https://github.com/tensorflow/tensorboard/blob/master/tensorboard/compat/proto/event.proto
 */
export function event(wallTime: number, content: EventContent): Uint8Array {
  const fields = [float64(1, wallTime)];
  if ('fileVersion' in content) fields.push(delimited(3, new TextEncoder().encode(content.fileVersion)));
  else {
    fields.push([...varint(2 << 3), ...varint(content.step)]);
    if ('scalars' in content) fields.push(delimited(5, summary(content.scalars)));
    else fields.push(delimited(7, [...varint(1 << 3), ...varint(1)]));
  }
  return Uint8Array.from(fields.flat());
}

function summary(scalars: Readonly<Record<string, number>>): number[] {
  return Object.entries(scalars).flatMap(([tag, value]) =>
    delimited(1, [...delimited(1, new TextEncoder().encode(tag)), ...float32(2, value)]),
  );
}

/** Not by shifts, which would end at 32 bits. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) + 128);
  return [...bytes, value];
}

const delimited = (field: number, bytes: Iterable<number>) => {
  const content = [...bytes];
  return [...varint(field * 8 + 2), ...varint(content.length), ...content];
};
const float64 = (field: number, value: number) => [
  ...varint(field * 8 + 1),
  ...new Uint8Array(Float64Array.of(value).buffer),
];
const float32 = (field: number, value: number) => [
  ...varint(field * 8 + 5),
  ...new Uint8Array(Float32Array.of(value).buffer),
];
