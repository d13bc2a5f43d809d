const quotes = /[\u2018\u2019\u201A\u201B\u2032\u02BC]/gu;
const doubleQuotes = /[\u201C\u201D\u201E\u201F\u2033\u00AB\u00BB]/gu;
const dashes = /[\u2010-\u2015\u2212]/gu;
/** Control and format characters; the joiners of Indic scripts (U+200C, U+200D) carry meaning and stay. */
const invisible = /(?![\u200C\u200D])[\p{Cc}\p{Cf}]/gu;

/**
 * One spelling for each text: NFC, plain quotes and hyphens, no control characters, single spaces, trimmed.
 * Letters, digits, case and punctuation stay. Idempotent.
 */
export function normaliseText(text: string): string {
  return text
    .normalize('NFC')
    .replace(/\s+/gu, ' ')
    .replace(invisible, '')
    .replace(quotes, "'")
    .replace(doubleQuotes, '"')
    .replace(dashes, '-')
    .replace(/ +/gu, ' ')
    .trim()
    .normalize('NFC');
}

/**
 * What two transcripts are compared by in CER and WER: lower case, letters, marks and digits only, single spaces.
 * Combining marks are kept: without them Hindi loses its vowels.
 */
export function comparableText(text: string): string {
  return normaliseText(text)
    .toLowerCase()
    .replace(/'/gu, '')
    .replace(/[^\p{L}\p{M}\p{N}\u200C\u200D]+/gu, ' ')
    .trim();
}
