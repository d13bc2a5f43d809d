import { createHash } from 'node:crypto';
import { CheckpointError, ShapeError } from '@align2speak/contracts';
import { fieldsOf, Message } from './protobuf.js';

/** Element types of tensors, with the numbers that the format gives them. */
const elementTypes = { f32: 1, i64: 7, f16: 10, f64: 11 } as const;
type ElementType = keyof typeof elementTypes;

/** Versions of the operators and of the format: the oldest that have `Gelu` with its tanh form. */
const opset = 20;
const irVersion = 9;

/** An attribute: a string, a whole number or a list of whole numbers; other numbers as `{ float }`. */
type Attribute = string | number | readonly number[] | { readonly float: number };

/** Weights of a network by the names that the native model gives them; shapes in memory order. */
export type NamedWeights = Readonly<Record<string, { readonly shape: readonly number[]; readonly data: Float32Array }>>;

/** One of them. @throws CheckpointError where there is none of the name, ShapeError where it is of another shape. */
export function weightOf(weights: NamedWeights, where: string, name: string, shape: readonly number[]): Float32Array {
  const found = weights[name];
  if (!found) throw new CheckpointError({ where, what: name, expected: 'a weight of this name', got: 'none' });
  const size = shape.reduce((product, axis) => product * axis, 1);
  const refuse = (got: string) => new ShapeError({ where, what: name, expected: `[${shape}]`, got });
  if (found.data.length !== size) throw refuse(`${found.data.length} elements as [${found.shape}]`);
  if (String(found.shape) !== String(shape)) throw refuse(`[${found.shape}]`);
  return found.data;
}

/**
 * An ONNX graph under construction. Values are known by their names; nodes come in the order of computation.
 *
 * @see https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
 */
export class OnnxGraph {
  readonly #graph = new Message();
  #count = 0;

  constructor(name: string) {
    this.#graph.bytes(2, name);
  }

  /** An input of the graph; axes are sizes, or names where the size is free. */
  input(name: string, type: ElementType, shape: readonly (string | number)[]): string {
    this.#graph.bytes(11, valueInfo(name, type, shape));
    return name;
  }

  /** Makes a value that a node has computed an output of the graph. */
  output(name: string, type: ElementType, shape: readonly (string | number)[]): void {
    this.#graph.bytes(12, valueInfo(name, type, shape));
  }

  /** A stored tensor: the elements as little-endian bytes in C order. */
  tensor(type: ElementType, shape: readonly number[], data: ArrayBufferView): string {
    const name = this.#fresh('const');
    const message = new Message();
    for (const size of shape) message.int(1, size);
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    this.#graph.bytes(5, message.int(2, elementTypes[type]).bytes(8, name).bytes(9, bytes));
    return name;
  }

  /** Whole numbers as an i64 tensor: a scalar for a number, one axis for a list. */
  ints(values: number | readonly number[]): string {
    const list = typeof values === 'number' ? [values] : values;
    return this.tensor('i64', typeof values === 'number' ? [] : [list.length], BigInt64Array.from(list, BigInt));
  }

  /** A scalar f32. */
  scalar(value: number): string {
    return this.tensor('f32', [], Float32Array.of(value));
  }

  /** A node with one output, whose name is returned; `as` names it. */
  node(
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
    as?: string,
  ): string {
    const output = as ?? this.#fresh(op);
    const message = new Message();
    for (const input of inputs) message.bytes(1, input);
    message.bytes(2, output).bytes(4, op);
    for (const [name, value] of Object.entries(attributes)) message.bytes(5, attribute(name, value));
    this.#graph.bytes(1, message);
    return output;
  }

  /** The whole model with its metadata, among them a digest of the graph, as the bytes of a file. */
  encode(metadata: Readonly<Record<string, string>>): Uint8Array<ArrayBuffer> {
    const graph = this.#graph.encode();
    const model = new Message().int(1, irVersion).bytes(2, 'align2speak').bytes(7, graph);
    model.bytes(8, new Message().bytes(1, '').int(2, opset));
    for (const [key, value] of Object.entries({ ...metadata, [digestKey]: digestOf(graph) }))
      model.bytes(14, new Message().bytes(1, key).bytes(2, value));
    return model.encode();
  }

  #fresh(stem: string): string {
    return `${stem}_${this.#count++}`;
  }
}

function valueInfo(name: string, type: ElementType, shape: readonly (string | number)[]): Message {
  const axes = new Message();
  for (const axis of shape)
    axes.bytes(1, typeof axis === 'string' ? new Message().bytes(2, axis) : new Message().int(1, axis));
  const tensor = new Message().int(1, elementTypes[type]).bytes(2, axes);
  return new Message().bytes(1, name).bytes(2, new Message().bytes(1, tensor));
}

function attribute(name: string, value: Attribute): Message {
  const message = new Message().bytes(1, name);
  if (typeof value === 'string') return message.bytes(4, value).int(20, 3);
  if (typeof value === 'number') return message.int(3, value).int(20, 2);
  if ('float' in value) return message.float(2, value.float).int(20, 1);
  for (const item of value) message.int(8, item);
  return message.int(20, 7);
}

const digestKey = 'sha256';
const digestOf = (graph: Uint8Array) => createHash('sha256').update(graph).digest('hex');

/**
 * The metadata of an ONNX file; where a digest of the graph is among them, as in our own files, the graph is checked by it.
 *
 * @throws RangeError where the bytes are not a whole protobuf message, or the graph is not the one that was written.
 */
export function onnxMetadata(model: Uint8Array): Map<string, string> {
  const metadata = new Map<string, string>();
  const text = new TextDecoder();
  let graph: Uint8Array = new Uint8Array();
  for (const { field, bytes } of fieldsOf(model)) {
    if (field === 7) graph = bytes;
    if (field !== 14) continue;
    const entry = new Map([...fieldsOf(bytes)].map((part) => [part.field, text.decode(part.bytes)]));
    metadata.set(entry.get(1) ?? '', entry.get(2) ?? '');
  }
  const digest = metadata.get(digestKey);
  if (digest !== undefined && digest !== digestOf(graph)) throw new RangeError('a graph that was changed');
  return metadata;
}
