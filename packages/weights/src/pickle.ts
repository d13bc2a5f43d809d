// Over 200 lines because the table of opcodes is one list: what stands in it is all that a pickle may do here.
import type { Dtype } from './dtypes.js';

/** A storage that a checkpoint refers to: the member `data/<key>` of its archive. */
export class Storage {
  readonly key: string;
  readonly dtype: Dtype;
  /** Elements. */
  readonly count: number;

  constructor(key: string, dtype: Dtype, count: number) {
    this.key = key;
    this.dtype = dtype;
    this.count = count;
  }
}

/** A view into a storage; offset and strides in elements. */
export class TensorView {
  readonly storage: Storage;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];

  constructor(storage: Storage, offset: number, shape: readonly number[], strides: readonly number[]) {
    this.storage = storage;
    this.offset = offset;
    this.shape = shape;
    this.strides = strides;
  }
}

/** What a pickle of weights can hold. A list and a tuple are both arrays, each dictionary is a Map. */
export type Pickled =
  | null
  | boolean
  | number
  | bigint
  | string
  | Pickled[]
  | Map<Pickled, Pickled>
  | Storage
  | TensorView
  | Global;

class Global {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

/** Raised on a pickle that does, or needs, anything but what holds a dictionary of tensors together. */
export class PickleError extends Error {}

const storageDtypes: Record<string, Dtype> = {
  'torch.DoubleStorage': 'F64',
  'torch.FloatStorage': 'F32',
  'torch.HalfStorage': 'F16',
  'torch.BFloat16Storage': 'BF16',
  'torch.LongStorage': 'I64',
  'torch.IntStorage': 'I32',
  'torch.ShortStorage': 'I16',
  'torch.CharStorage': 'I8',
  'torch.ByteStorage': 'U8',
  'torch.BoolStorage': 'BOOL',
};

/** The only functions a pickle can call, none of which does more than build a value. */
const functions: Record<string, (args: Pickled[]) => Pickled> = {
  'collections.OrderedDict': (args) => (args.length === 0 ? new Map() : fail('OrderedDict with arguments')),
  'torch.Size': ([sizes]) => sizesOf(sizes),
  'torch._utils._rebuild_parameter': ([tensor]) =>
    tensor instanceof TensorView ? tensor : fail('a parameter of no tensor'),
  'torch._utils._rebuild_tensor_v2': ([storage, offset, shape, strides]) => {
    if (!(storage instanceof Storage)) return fail('a tensor without a storage');
    const sizes = sizesOf(shape);
    const steps = sizesOf(strides);
    if (sizes.length !== steps.length) return fail(`${sizes.length} sizes with ${steps.length} strides`);
    return new TensorView(storage, sizesOf([offset!])[0]!, sizes, steps);
  },
};

function fail(what: string): never {
  throw new PickleError(what);
}

function sizesOf(value: Pickled | undefined): number[] {
  if (!Array.isArray(value)) return fail('sizes that are no tuple');
  return value.map((size) =>
    typeof size === 'number' && Number.isSafeInteger(size) && size >= 0 ? size : fail('a size that is none'),
  );
}

/**
 * Reads a pickle made of dictionaries, lists, numbers, text and tensors. It runs nothing: an opcode or a name that is
 * not on the lists here is an error.
 *
 * @throws PickleError on anything else, and where the text ends early.
 * @see Lib/pickletools.py of CPython, the opcodes of protocols 2 to 5
 */
export function unpickle(bytes: Uint8Array): Pickled {
  return new Unpickler(bytes).run();
}

class Unpickler {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #memo = new Map<number, Pickled>();
  /** Stack heights at the marks that are open. */
  readonly #marks: number[] = [];
  #stack: Pickled[] = [];
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  run(): Pickled {
    for (;;) {
      const code = this.#uint(1);
      if (code === 0x2e) return this.#pop(); // STOP
      this.#step(code);
    }
  }

  #step(code: number): void {
    const stack = this.#stack;
    switch (code) {
      case 0x80: // PROTO
        if (this.#uint(1) > 5) fail('a protocol after 5');
        return;
      case 0x95: // FRAME
        this.#take(8);
        return;
      case 0x28: // MARK
        this.#marks.push(stack.length);
        return;
      case 0x4e: // NONE
        stack.push(null);
        return;
      case 0x88: // NEWTRUE
      case 0x89: // NEWFALSE
        stack.push(code === 0x88);
        return;
      case 0x4b: // BININT1
      case 0x4d: // BININT2
        stack.push(this.#uint(code === 0x4b ? 1 : 2));
        return;
      case 0x4a: // BININT
        stack.push(this.#uint(4) | 0);
        return;
      case 0x8a: // LONG1
        stack.push(this.#long(this.#uint(1)));
        return;
      case 0x47: // BINFLOAT
        this.#take(8);
        stack.push(this.#view.getFloat64(this.#at - 8));
        return;
      case 0x8c: // SHORT_BINUNICODE
      case 0x58: // BINUNICODE
        stack.push(this.#text(this.#take(this.#uint(code === 0x8c ? 1 : 4))));
        return;
      case 0x7d: // EMPTY_DICT
        stack.push(new Map());
        return;
      case 0x5d: // EMPTY_LIST
      case 0x29: // EMPTY_TUPLE
        stack.push([]);
        return;
      case 0x74: // TUPLE
        stack.push(this.#toMark());
        return;
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        stack.push(this.#popMany(code - 0x84));
        return;
      case 0x61: // APPEND
        this.#append([this.#pop()]);
        return;
      case 0x65: // APPENDS
        this.#append(this.#toMark());
        return;
      case 0x73: // SETITEM
        this.#setItems(this.#popMany(2));
        return;
      case 0x75: // SETITEMS
        this.#setItems(this.#toMark());
        return;
      case 0x71: // BINPUT
      case 0x72: // LONG_BINPUT
        this.#memo.set(this.#uint(code === 0x71 ? 1 : 4), this.#top());
        return;
      case 0x94: // MEMOIZE
        this.#memo.set(this.#memo.size, this.#top());
        return;
      case 0x68: // BINGET
      case 0x6a: // LONG_BINGET
        stack.push(this.#recall(this.#uint(code === 0x68 ? 1 : 4)));
        return;
      case 0x63: // GLOBAL
        stack.push(globalOf(this.#line(), this.#line()));
        return;
      case 0x93: {
        // STACK_GLOBAL
        const [module, name] = this.#popMany(2);
        stack.push(
          typeof module === 'string' && typeof name === 'string'
            ? globalOf(module, name)
            : fail('a name that is no text'),
        );
        return;
      }
      case 0x52: {
        // REDUCE
        const [target, args] = this.#popMany(2);
        const call = target instanceof Global ? functions[target.name] : undefined;
        stack.push(call && Array.isArray(args) ? call(args) : fail('a call of what is no function'));
        return;
      }
      case 0x62: // BUILD: the state of an OrderedDict is bookkeeping of modules
        this.#pop();
        if (!(this.#top() instanceof Map)) fail('state for what is no dictionary');
        return;
      case 0x51: // BINPERSID
        stack.push(storageOf(this.#pop()));
        return;
      default:
        fail(`opcode 0x${code.toString(16)} at byte ${this.#at - 1}`);
    }
  }

  #take(size: number): Uint8Array {
    this.#at += size;
    return this.#at <= this.#bytes.length ? this.#bytes.subarray(this.#at - size, this.#at) : fail('an early end');
  }

  #uint(size: number): number {
    return this.#take(size).reduceRight((value, byte) => value * 256 + byte, 0);
  }

  #long(size: number): number | bigint {
    const value = this.#take(size).reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
    const signed = BigInt.asIntN(8 * size, value);
    return Number.isSafeInteger(Number(signed)) ? Number(signed) : signed;
  }

  #text(bytes: Uint8Array): string {
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      return fail('text that is not UTF-8');
    }
  }

  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0) fail('an early end');
    return this.#text(this.#take(end + 1 - this.#at).subarray(0, -1));
  }

  #pop(): Pickled {
    return this.#popMany(1)[0]!;
  }

  /** The topmost values, none from below the innermost open mark. */
  #popMany(count: number): Pickled[] {
    if (this.#stack.length - (this.#marks.at(-1) ?? 0) < count) fail('an empty stack');
    return this.#stack.splice(-count);
  }

  #top(): Pickled {
    return this.#stack.length > 0 ? this.#stack.at(-1)! : fail('an empty stack');
  }

  #toMark(): Pickled[] {
    const mark = this.#marks.pop() ?? fail('no mark');
    return this.#stack.splice(mark);
  }

  #append(values: Pickled[]): void {
    const list = this.#top();
    if (!Array.isArray(list)) fail('an append to what is no list');
    for (const value of values) list.push(value);
  }

  #setItems(items: Pickled[]): void {
    const map = this.#top();
    if (!(map instanceof Map) || items.length % 2 !== 0) fail('items for what is no dictionary');
    for (let i = 0; i < items.length; i += 2) map.set(items[i]!, items[i + 1]!);
  }

  #recall(index: number): Pickled {
    const value = this.#memo.get(index);
    return value === undefined ? fail(`nothing remembered as ${index}`) : value;
  }
}

function globalOf(module: string, name: string): Global {
  const full = `${module}.${name}`;
  return Object.hasOwn(functions, full) || Object.hasOwn(storageDtypes, full)
    ? new Global(full)
    : fail(`the name ${full}`);
}

/** A persistent id is ('storage', class, key, device, elements). */
function storageOf(id: Pickled): Storage {
  const [kind, type, key, , count] = Array.isArray(id) ? id : fail('an id that is no tuple');
  const dtype = type instanceof Global ? storageDtypes[type.name] : undefined;
  if (kind !== 'storage' || !dtype || typeof key !== 'string' || !/^\d+$/.test(key)) return fail('an id of no storage');
  return new Storage(key, dtype, sizesOf([count!])[0]!);
}
