import { CheckpointError } from '@align2speak/contracts';
import { type Dtype, dtypeBytes } from './dtypes.js';
import type { TensorInfo } from './weights-file.js';

/** Where a tensor lies, in bytes from the end of the header. */
export interface Placed extends TensorInfo {
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  tensors: Map<string, Placed>;
  metadata: Map<string, string>;
}

/**
 * Parses a safetensors header and proves that its tensors tile the data: no overlap, no hole, nothing out of range.
 *
 * @param bytes the JSON text, UTF-8.
 * @param dataSize bytes that follow the header.
 * @throws CheckpointError naming the file and the tensor at fault.
 */
export function parseHeader(path: string, bytes: Uint8Array, dataSize: number): SafetensorsHeader {
  const refuse: Refuse = (what, expected, got) => {
    throw new CheckpointError({ where: path, what, expected, got: quote(got) });
  };
  const header = parseJson(bytes, refuse);
  const metadata = new Map<string, string>();
  const tensors = new Map<string, Placed>();
  for (const [name, value] of Object.entries(header)) {
    if (name !== '__metadata__') tensors.set(name, placeOf(name, value, refuse));
    else {
      for (const [key, text] of Object.entries(objectOf(value, '__metadata__', refuse))) {
        metadata.set(key, typeof text === 'string' ? text : refuse(`__metadata__.${key}`, 'a string', text));
      }
    }
  }
  checkTiling(tensors, dataSize, refuse);
  return { tensors, metadata };
}

type Refuse = (what: string, expected: string, got: unknown) => never;

function parseJson(bytes: Uint8Array, refuse: Refuse): object {
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    value = JSON.parse(text);
  } catch (error) {
    return refuse('header', 'JSON in UTF-8', (error as Error).message);
  }
  const twice = duplicateKey(text);
  if (twice !== undefined) refuse(twice, 'one entry of this name', 'two');
  return objectOf(value, 'header', refuse);
}

/** The first key that an object of this valid JSON text has twice: JSON.parse would silently keep the last. */
function duplicateKey(text: string): string | undefined {
  const open: Set<string>[] = [];
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '{') open.push(new Set());
    else if (text[i] === '}') open.pop();
    if (text[i] !== '"') continue;
    const start = i++;
    while (text[i] !== '"') i += text[i] === '\\' ? 2 : 1;
    let next = i + 1;
    while (' \t\r\n'.includes(text[next] ?? '}')) next++;
    if (text[next] !== ':') continue;
    const key: string = JSON.parse(text.slice(start, i + 1));
    if (open.at(-1)!.has(key)) return key;
    open.at(-1)!.add(key);
  }
  return undefined;
}

function objectOf(value: unknown, what: string, refuse: Refuse): object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? value
    : refuse(what, 'an object', value);
}

function placeOf(name: string, value: unknown, refuse: Refuse): Placed {
  const entry = objectOf(value, name, refuse) as Record<string, unknown>;
  const { dtype, shape, data_offsets: offsets, ...others } = entry;
  const unknown = Object.keys(others)[0];
  if (unknown !== undefined) refuse(name, 'dtype, shape and data_offsets alone', unknown);
  if (!isDtype(dtype)) return refuse(`${name}: dtype`, `one of ${Object.keys(dtypeBytes).join(' ')}`, dtype);
  if (!isSizes(shape)) return refuse(`${name}: shape`, 'a list of sizes', shape);
  if (!isSizes(offsets) || offsets.length !== 2) return refuse(`${name}: data_offsets`, 'two byte offsets', offsets);
  const [begin, end] = offsets as [number, number];
  // Beyond 2^53 the product is inexact, but then no file has that many bytes and the comparison fails all the same.
  const size = shape.reduce((product, axis) => product * axis, dtypeBytes[dtype]);
  if (end - begin !== size) refuse(`${name}: data_offsets`, `${size} bytes for ${dtype} [${shape}]`, end - begin);
  return { dtype, shape, begin, end };
}

const isDtype = (value: unknown): value is Dtype => typeof value === 'string' && Object.hasOwn(dtypeBytes, value);

const isSizes = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);

function checkTiling(tensors: Map<string, Placed>, dataSize: number, refuse: Refuse): void {
  let at = 0;
  for (const [name, { begin, end }] of [...tensors].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== at) refuse(`${name}: data_offsets`, `a begin of ${at}, where the tensor before it ends`, begin);
    at = end;
  }
  if (at !== dataSize) refuse('file', `${at} bytes of tensor data`, dataSize);
}

function quote(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing');
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
