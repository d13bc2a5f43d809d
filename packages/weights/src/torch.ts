import { CheckpointError } from '@align2speak/contracts';
import { type Dtype, dtypeBytes } from './dtypes.js';
import { type Pickled, PickleError, TensorView, unpickle } from './pickle.js';
import { listTar } from './tar.js';
import { openForReading, readRange, WeightsFile } from './weights-file.js';
import { listZip, type Member, type Region } from './zip.js';

const maxPickleBytes = 64 * 2 ** 20;
const maxTextBytes = 64 * 2 ** 20;

/**
 * Opens a PyTorch checkpoint that is a plain state dict: names to tensors. Nothing in it is executed.
 *
 * @throws CheckpointError where it is damaged, or holds anything but named tensors.
 */
export async function openTorch(path: string): Promise<WeightsFile> {
  const { handle, size } = await openForReading(path);
  try {
    return await openRegion({ handle, path, begin: 0, end: size });
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** A published `.nemo` archive: weights, their configuration, and the files that the configuration names. */
export interface NemoArchive {
  readonly weights: WeightsFile;
  /** Text of model_config.yaml. */
  readonly config: string;
  /** Reads another member, such as a dictionary. Names as in `members`. */
  readonly readMember: (name: string) => Promise<Uint8Array>;
  /** Names of all members, in the archive's order. */
  readonly members: readonly string[];
}

/**
 * Opens a `.nemo` archive; closing its weights closes it.
 *
 * @throws CheckpointError where it is compressed, damaged or lacks its configuration or weights.
 */
export async function openNemo(path: string): Promise<NemoArchive> {
  const { handle, size } = await openForReading(path);
  try {
    const magic = await readRange(handle, { path, what: 'file', begin: 0, end: Math.min(size, 2) });
    if (magic[0] === 0x1f && magic[1] === 0x8b) {
      const hint = `gzip -dc ${path} > uncompressed.nemo`;
      throw new CheckpointError({ where: path, what: 'file', expected: 'an uncompressed tar', got: 'gzip', hint });
    }
    const region = { handle, path, begin: 0, end: size };
    const members = await listTar(region);
    const readMember = async (name: string) => {
      const { begin, end } = memberOf(members, name, path);
      if (end - begin > maxTextBytes) refuse(path, name, `at most ${maxTextBytes} bytes`, `${end - begin}`);
      return readRange(handle, { path, what: name, begin, end });
    };
    const config = new TextDecoder().decode(await readMember('model_config.yaml'));
    const weights = await openRegion({ ...region, ...memberOf(members, 'model_weights.ckpt', path) });
    return { weights, config, readMember, members: [...members.keys()] };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function openRegion(region: Region): Promise<WeightsFile> {
  const { handle, path } = region;
  const archive = await listZip(region);
  const pickleName = [...archive.keys()].find((name) => /^[^/]+\/data\.pkl$/.test(name));
  if (!pickleName) return refuse(path, 'data.pkl', 'one in the top folder', 'none');
  const folder = pickleName.slice(0, -'data.pkl'.length);
  const read = (name: string) => readRange(handle, { path, what: name, ...memberOf(archive, name, path) });
  if (archive.has(`${folder}byteorder`)) {
    const order = new TextDecoder().decode(await read(`${folder}byteorder`));
    if (order !== 'little') refuse(path, 'byteorder', 'little', order);
  }
  const { begin, end } = memberOf(archive, pickleName, path);
  if (end - begin > maxPickleBytes) refuse(path, 'data.pkl', `at most ${maxPickleBytes} bytes`, `${end - begin}`);
  const views = viewsOf(await read(pickleName), path);
  for (const [name, view] of views)
    checkView(name, view, memberOf(archive, `${folder}data/${view.storage.key}`, path), path);
  const fetch = (name: string) => {
    const view = views.get(name)!;
    return gather(region, name, { view, member: memberOf(archive, `${folder}data/${view.storage.key}`, path) });
  };
  const tensors = new Map([...views].map(([name, { storage, shape }]) => [name, { dtype: storage.dtype, shape }]));
  return new WeightsFile(handle, fetch, { path, tensors, metadata: new Map() });
}

function refuse(where: string, what: string, expected: string, got: string): never {
  throw new CheckpointError({ where, what, expected, got });
}

function memberOf(members: ReadonlyMap<string, Member>, name: string, path: string): Member {
  return members.get(name) ?? refuse(path, name, 'a member of this name', 'none');
}

function viewsOf(bytes: Uint8Array, path: string): Map<string, TensorView> {
  const views = new Map<string, TensorView>();
  for (const [name, value] of stateDict(bytes, path)) {
    if (typeof name !== 'string') return refuse(path, 'data.pkl', 'names that are text', typeof name);
    if (!(value instanceof TensorView)) return refuse(path, name, 'a tensor', 'something else');
    views.set(name, value);
  }
  return views;
}

function stateDict(bytes: Uint8Array, path: string): Map<Pickled, Pickled> {
  try {
    const value = unpickle(bytes);
    if (value instanceof Map) return value;
  } catch (error) {
    if (!(error instanceof PickleError)) throw error;
    const hint = 'only plain state dicts are read; save others as safetensors';
    const fields = { where: path, what: 'data.pkl', expected: 'named tensors alone', got: error.message };
    throw new CheckpointError({ ...fields, hint, cause: error });
  }
  return refuse(path, 'data.pkl', 'a dictionary', 'something else');
}

const elementsOf = (shape: readonly number[]) => shape.reduce((product, axis) => product * axis, 1);

/** Elements from the first to the last that a view touches, both included; 0 where it is empty. */
function spanOf({ shape, strides }: TensorView): number {
  return elementsOf(shape) === 0 ? 0 : shape.reduce((last, axis, i) => last + (axis - 1) * strides[i]!, 1);
}

function checkView(name: string, view: TensorView, member: Member, path: string): void {
  const { storage, offset, shape } = view;
  const stored = member.end - member.begin;
  const size = storage.count * dtypeBytes[storage.dtype];
  if (stored !== size) refuse(path, name, `a storage of ${size} bytes`, `${stored}`);
  if (offset + spanOf(view) > storage.count) {
    refuse(path, name, `a view within ${storage.count} elements`, `${offset + spanOf(view)}`);
  }
  // A view may repeat elements by strides of 0; one larger than its storage would take memory that the file never had.
  if (!(elementsOf(shape) <= storage.count)) {
    refuse(path, name, `at most the ${storage.count} elements of its storage`, `shape [${shape}]`);
  }
}

/** Reads the span of a view and brings its elements into C order. */
async function gather(region: Region, name: string, { view, member }: { view: TensorView; member: Member }) {
  const { storage, offset, shape, strides } = view;
  const width = dtypeBytes[storage.dtype];
  const begin = member.begin + offset * width;
  const span = await readRange(region.handle, {
    path: region.path,
    what: name,
    begin,
    end: begin + spanOf(view) * width,
  });
  if (isContiguous(shape, strides)) return span;
  return copyStrided(span, { shape, strides, dtype: storage.dtype });
}

function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i] !== 1 && strides[i] !== expected) return shape.includes(0);
    expected *= shape[i]!;
  }
  return true;
}

function copyStrided(
  source: Uint8Array,
  { shape, strides, dtype }: { shape: readonly number[]; strides: readonly number[]; dtype: Dtype },
) {
  const width = dtypeBytes[dtype];
  const out = new Uint8Array(elementsOf(shape) * width);
  const index = shape.map(() => 0);
  let from = 0;
  for (let at = 0; at < out.length; at += width) {
    for (let byte = 0; byte < width; byte++) out[at + byte] = source[from * width + byte]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      from -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return out;
}
