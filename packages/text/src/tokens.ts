import { DataError } from '@align2speak/contracts';

/** Id that ends every text; ids 0 to 255 are the bytes of its UTF-8 form. */
export const textEos = 256;
/** Rows of a text embedding: 256 bytes and the end. */
export const textRows = 257;

/**
 * The tokens of an IPA string: one for each UTF-8 byte, then {@link textEos}.
 *
 * @returns `[N]` ids in 0 … 256.
 * @throws DataError for an empty string.
 * @see the 256-symbol byte tokenizer of Align2Speak, arXiv 2509.21718
 */
export function encodeIpa(ipa: string): Int32Array {
  const bytes = new TextEncoder().encode(ipa);
  if (bytes.length === 0)
    throw new DataError({ where: 'text', what: 'ipa', expected: 'at least one phoneme', got: 'an empty string' });
  const tokens = new Int32Array(bytes.length + 1);
  tokens.set(bytes);
  tokens[bytes.length] = textEos;
  return tokens;
}

/** The IPA string of {@link encodeIpa}'s tokens. Ids outside 0 … 255 are dropped. */
export function decodeIpa(tokens: ArrayLike<number>): string {
  return new TextDecoder().decode(Uint8Array.from(Array.from(tokens).filter((id) => id >= 0 && id < 256)));
}

/**
 * Positions of the tokens that begin a character (every byte but 0x80 … 0xBF), and of the end.
 *
 * An alignment of tokens to frames needs no more targets than frames; IPA has more bytes than a fast speaker has
 * frames, but hardly ever more characters.
 *
 * @returns ascending positions in 0 … N-1.
 */
export function leadTokens(tokens: ArrayLike<number>): Int32Array {
  const positions: number[] = [];
  for (let i = 0; i < tokens.length; i++) if (tokens[i]! < 0x80 || tokens[i]! > 0xbf) positions.push(i);
  return Int32Array.from(positions);
}
