import { CheckpointError } from '@align2speak/contracts';
import { readRange } from './weights-file.js';
import type { Member, Region } from './zip.js';

const block = 512;
const maxLongName = 65_536;

/**
 * Lists the regular files of an uncompressed tar archive: ustar, with the long names of pax and GNU.
 *
 * Names lose a leading `./`.
 * @throws CheckpointError on a damaged header, and on links, devices and names that lead out of the archive.
 * @see POSIX.1-2017, pax, "ustar Interchange Format" and "pax Header Block"
 */
export async function listTar({ handle, path, begin, end }: Region): Promise<Map<string, Member>> {
  const refuse: Refuse = (what, expected, got) => {
    throw new CheckpointError({ where: path, what, expected, got });
  };
  const members = new Map<string, Member>();
  let longName: string | undefined;
  for (let at = begin; at + block <= end; ) {
    const header = await readRange(handle, { path, what: 'tar header', begin: at, end: at + block });
    if (header.every((byte) => byte === 0)) break;
    const { name, type, size } = parse(header, `tar header at byte ${at - begin}`, refuse);
    const data = { begin: at + block, end: at + block + size };
    if (data.end > end) refuse(name, `${size} bytes`, `the end of the archive after ${end - data.begin}`);
    at = data.begin + Math.ceil(size / block) * block;
    if (type === 'x' || type === 'L') {
      if (size > maxLongName) refuse(name, `a name record of at most ${maxLongName} bytes`, `${size}`);
      const record = text(await readRange(handle, { path, what: name, ...data }));
      longName = type === 'L' ? record.replace(/\0.*$/s, '') : paxPath(record, name, refuse);
      continue;
    }
    const full = (longName ?? name).replace(/^(\.\/)+/, '');
    longName = undefined;
    // 'g' holds defaults such as times, '5' is a folder.
    if (type === 'g' || type === '5') continue;
    if (type !== '0' && type !== '\0') refuse(full, 'a regular file', `type ${JSON.stringify(type)}`);
    if (full.startsWith('/') || full.split('/').includes('..'))
      refuse(full, 'a name inside the archive', 'one outside');
    if (members.has(full)) refuse(full, 'one member of this name', 'two');
    members.set(full, data);
  }
  return members;
}

type Refuse = (what: string, expected: string, got: string) => never;

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function parse(header: Uint8Array, what: string, refuse: Refuse) {
  const field = (begin: number, end: number) => text(header.subarray(begin, end)).replace(/\0.*$/s, '');
  // The checksum is that of the header with blanks in its own place.
  const sum = header.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 0x20 : byte), 0);
  const stated = Number.parseInt(field(148, 156), 8);
  if (sum !== stated) refuse(what, `checksum ${sum}`, `${stated}`);
  const prefix = field(257, 262) === 'ustar' && field(345, 500);
  const name = (prefix ? `${prefix}/` : '') + field(0, 100);
  // Sizes over 8 GiB are base-256, marked by the top bit.
  const wide = header[124]! & 0x80;
  const digits = field(124, 136).trim();
  const octal = /^[0-7]*$/.test(digits) ? Number.parseInt(digits || '0', 8) : Number.NaN;
  const size = wide ? header.subarray(125, 136).reduce((total, byte) => total * 256 + byte, 0) : octal;
  if (!Number.isSafeInteger(size)) refuse(name, 'a size in octal digits', JSON.stringify(digits));
  return { name, size, type: String.fromCharCode(header[156]!) };
}

/** The `path` of a pax record: lines of "<length> <key>=<value>\n"; a size of its own would shift what follows. */
function paxPath(record: string, name: string, refuse: Refuse): string | undefined {
  if (/(^|\n)\d+ size=/.test(record)) refuse(name, 'a size in the header', 'one in a pax record');
  return record.match(/(?:^|\n)\d+ path=([^\n]*)\n/)?.[1];
}
