/** Text to IPA to byte tokens. Everything here is usable without the model. */
export { Espeak, type EspeakAnswer, type EspeakRequest } from './espeak.js';
export { cleanIpa } from './ipa.js';
export { type Language, languageCodes, languageOf } from './languages.js';
export { comparableText, normaliseText } from './normalise.js';
export { type Lexicon, Phonemizer } from './phonemizer.js';
export { decodeIpa, encodeIpa, leadTokens, textEos, textRows } from './tokens.js';
