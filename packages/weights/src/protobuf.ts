/**
 * A protobuf message under construction: fields in the order in which they are added.
 *
 * @see https://protobuf.dev/programming-guides/encoding/
 */
export class Message {
  readonly #parts: Uint8Array[] = [];

  /** A field of an integer type; negative numbers take ten bytes, as int32 and int64 prescribe. */
  int(field: number, value: number | bigint): this {
    this.#parts.push(varint(field * 8), varint(value));
    return this;
  }

  /** A field of type float. */
  float(field: number, value: number): this {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setFloat32(0, value, true);
    this.#parts.push(varint(field * 8 + 5), bytes);
    return this;
  }

  /** A string, bytes or embedded message. */
  bytes(field: number, value: string | Uint8Array | Message): this {
    const parts = value instanceof Message ? value.#parts : [typeof value === 'string' ? utf8.encode(value) : value];
    const size = parts.reduce((sum, part) => sum + part.length, 0);
    this.#parts.push(varint(field * 8 + 2), varint(size), ...parts);
    return this;
  }

  /** The encoded message. */
  encode(): Uint8Array<ArrayBuffer> {
    const out = new Uint8Array(this.#parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of this.#parts) {
      out.set(part, at);
      at += part.length;
    }
    return out;
  }
}

const utf8 = new TextEncoder();

function varint(value: number | bigint): Uint8Array {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

/** A field as it stands in an encoded message: `bytes` for strings, bytes and messages, empty for numbers. */
export interface Field {
  readonly field: number;
  readonly bytes: Uint8Array;
}

/**
 * Reads the fields of an encoded message, one level deep.
 *
 * @throws RangeError where the bytes are not a whole message.
 */
export function* fieldsOf(message: Uint8Array): Generator<Field> {
  let at = 0;
  const readVarint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = message[at++];
      if (byte === undefined || scale > 2 ** 63) throw new RangeError('a broken number');
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.length) {
    const key = readVarint();
    const wire = key % 8;
    let size = 0;
    if (wire === 0) readVarint();
    else if (wire === 1) size = 8;
    else if (wire === 5) size = 4;
    else if (wire === 2) size = readVarint();
    else throw new RangeError(`wire type ${wire}`);
    if (at + size > message.length) throw new RangeError('a field beyond the end');
    yield { field: Math.floor(key / 8), bytes: message.subarray(at, wire === 2 ? at + size : at) };
    at += size;
  }
}
