import type { FileHandle } from 'node:fs/promises';
import { CheckpointError } from '@align2speak/contracts';
import { readRange } from './weights-file.js';

/** A part of an open file: bytes [begin, end). */
export interface Region {
  readonly handle: FileHandle;
  readonly path: string;
  readonly begin: number;
  readonly end: number;
}

/** Where the bytes of an archive's member lie, in bytes from the start of the file. */
export interface Member {
  readonly begin: number;
  readonly end: number;
}

const maxDirectoryBytes = 64 * 2 ** 20;
const endRecordBytes = 22;
const locatorBytes = 20;

/**
 * Lists a ZIP archive whose members are all stored uncompressed, as PyTorch writes them.
 *
 * Sizes and places come from the central directory alone, because PyTorch leaves them out of the local headers.
 * @throws CheckpointError on anything but whole, stored, plain members within the region that do not overlap.
 * @see APPNOTE.TXT, the .ZIP file format specification, sections 4.3.7 to 4.3.16 and 4.5.3
 */
export async function listZip(region: Region): Promise<Map<string, Member>> {
  const { handle, path } = region;
  const refuse = (what: string, expected: string, got: string): never => {
    throw new CheckpointError({ where: path, what, expected, got });
  };
  const place = await findDirectory(region, refuse);
  const begin = region.begin + place.offset;
  const room = Math.min(place.end - begin, maxDirectoryBytes);
  if (place.size > room) refuse('zip directory', `at most ${room} bytes at ${place.offset}`, `${place.size}`);
  const directory = await readRange(handle, { path, what: 'zip directory', begin, end: begin + place.size });
  const members = new Map<string, Member>();
  for (const { name, size, offset } of entriesOf(directory, refuse)) {
    if (members.has(name)) refuse(name, 'one member of this name', 'two');
    const header = region.begin + offset;
    if (header + 30 > begin) refuse(name, 'a header before the directory', `offset ${offset}`);
    const local = viewOf(await readRange(handle, { path, what: name, begin: header, end: header + 30 }));
    if (local.getUint32(0, true) !== 0x04034b50) refuse(name, 'a local header', 'something else');
    const data = header + 30 + local.getUint16(26, true) + local.getUint16(28, true);
    if (data + size > begin) refuse(name, `${size} bytes before the directory`, `${begin - data}`);
    members.set(name, { begin: data, end: data + size });
  }
  let at = region.begin;
  for (const [name, { begin, end }] of [...members].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end)) {
    if (begin < at) refuse(name, 'bytes of its own', 'an overlap with the member before it');
    at = end;
  }
  return members;
}

type Refuse = (what: string, expected: string, got: string) => never;

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Where the central directory lies within the region, and where the records after it begin. */
async function findDirectory({ handle, path, begin, end }: Region, refuse: Refuse) {
  // The end record closes the file but for a comment of at most 65535 bytes; the ZIP64 locator stands before it.
  const tailBegin = Math.max(begin, end - endRecordBytes - 65_535 - locatorBytes);
  const tail = viewOf(await readRange(handle, { path, what: 'zip end record', begin: tailBegin, end }));
  let at = tail.byteLength - endRecordBytes;
  const isEnd = () =>
    tail.getUint32(at, true) === 0x06054b50 && at + endRecordBytes + tail.getUint16(at + 20, true) === tail.byteLength;
  while (at >= 0 && !isEnd()) at--;
  if (at < 0) return refuse('file', 'a ZIP archive', 'no end record');
  const size = tail.getUint32(at + 12, true);
  const offset = tail.getUint32(at + 16, true);
  const locator = at - locatorBytes;
  if (locator < 0 || tail.getUint32(locator, true) !== 0x07064b50) return { size, offset, end: tailBegin + at };
  const record = begin + Number(tail.getBigUint64(locator + 8, true));
  if (record + 56 > tailBegin + locator)
    return refuse('zip64 record', 'a place before its locator', `offset ${record - begin}`);
  const wide = viewOf(await readRange(handle, { path, what: 'zip64 record', begin: record, end: record + 56 }));
  if (wide.getUint32(0, true) !== 0x06064b50) return refuse('zip64 record', 'its signature', 'something else');
  return { size: Number(wide.getBigUint64(40, true)), offset: Number(wide.getBigUint64(48, true)), end: record };
}

function* entriesOf(directory: Uint8Array, refuse: Refuse) {
  const view = viewOf(directory);
  for (let at = 0; at < directory.length; ) {
    if (at + 46 > directory.length || view.getUint32(at, true) !== 0x02014b50) {
      refuse('zip directory', `an entry at byte ${at}`, 'something else');
    }
    const nameEnd = at + 46 + view.getUint16(at + 28, true);
    const extraEnd = nameEnd + view.getUint16(at + 30, true);
    const next = extraEnd + view.getUint16(at + 32, true);
    if (next > directory.length) refuse('zip directory', `an entry that ends by ${directory.length}`, `${next}`);
    const name = new TextDecoder().decode(directory.subarray(at + 46, nameEnd));
    const method = view.getUint16(at + 10, true);
    if (method !== 0) refuse(name, 'a stored member', `compression method ${method}`);
    if (view.getUint16(at + 8, true) & 1) refuse(name, 'a plain member', 'an encrypted one');
    const fields = {
      size: view.getUint32(at + 24, true),
      compressedSize: view.getUint32(at + 20, true),
      offset: view.getUint32(at + 42, true),
    };
    widen(fields, viewOf(directory.subarray(nameEnd, extraEnd)), () =>
      refuse(name, 'sound extra fields', 'a broken one'),
    );
    if (fields.size !== fields.compressedSize) refuse(name, `${fields.size} stored bytes`, `${fields.compressedSize}`);
    yield { name, size: fields.size, offset: fields.offset };
    at = next;
  }
}

/** Replaces the fields that do not fit 32 bits by those of the ZIP64 extra field, which holds just these, in this order. */
function widen(
  fields: { size: number; compressedSize: number; offset: number },
  extra: DataView,
  refuse: () => never,
): void {
  const wide = (['size', 'compressedSize', 'offset'] as const).filter((name) => fields[name] === 0xffffffff);
  for (let at = 0; at + 4 <= extra.byteLength; ) {
    const [id, size] = [extra.getUint16(at, true), extra.getUint16(at + 2, true)];
    if (at + 4 + size > extra.byteLength) refuse();
    if (id === 1) {
      if (size < 8 * wide.length) refuse();
      wide.forEach((name, i) => {
        fields[name] = Number(extra.getBigUint64(at + 4 + 8 * i, true));
      });
    }
    at += 4 + size;
  }
}
