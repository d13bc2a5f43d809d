import * as fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import {
  cleanIpa,
  comparableText,
  decodeIpa,
  Espeak,
  encodeIpa,
  languageCodes,
  languageOf,
  leadTokens,
  normaliseText,
  Phonemizer,
  textEos,
} from '../src/index.js';

describe('normalisation', () => {
  it('is idempotent and leaves no control characters', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const once = normaliseText(text);
        expect(normaliseText(once)).toBe(once);
        expect(once).not.toMatch(/\p{Cc}/u);
      }),
    );
  });
  it('unifies quotes, dashes and spaces', () => {
    expect(normaliseText(' l\u2019e\u0301te\u0301 \u2014 \u201Coui\u201D\u00A0! ')).toBe(`l'été - "oui" !`);
  });
  it('keeps the vowel signs of Hindi when texts are compared', () => {
    expect(comparableText('हिंदी, में!')).toBe('हिंदी में');
    expect(comparableText("Don't STOP - now")).toBe('dont stop now');
  });
});

describe('tokens', () => {
  it('are bytes and an end, and give the text back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (text) => {
        const tokens = encodeIpa(text);
        expect(tokens.at(-1)).toBe(textEos);
        expect(decodeIpa(tokens)).toBe(new TextDecoder().decode(new TextEncoder().encode(text)));
        expect(leadTokens(tokens).length).toBe([...decodeIpa(tokens)].length + 1);
      }),
    );
  });
  it('refuse an empty text', () => expect(() => encodeIpa('')).toThrow(/expected at least one phoneme/));
});

describe('languages', () => {
  it('accept regions and refuse unknown codes with the known ones', () => {
    expect(languageOf('pt_BR').voice).toBe('pt-br');
    expect(languageOf('pt-PT').voice).toBe('pt');
    expect(() => languageOf('xx')).toThrow(/expected one of .*pt.*got 'xx'\nhint: .*ipa/);
  });
});

describe('phonemes', () => {
  const phonemizer = new Phonemizer({ pt: { olá: 'ɔˈla' } });
  afterAll(() => phonemizer.close());

  it('drop separators, switches and secondary stress', () => {
    expect(cleanIpa('(en)_t_ˈiː_m_(de) m_ˌeː_t_ɪ_ŋ')).toBe('tˈiːm meːtɪŋ');
    expect(cleanIpa('m_a- b_ˈʌ_r._h_aː')).toBe('ma bˈʌɽhaː');
  });
  it('keep pauses, follow the lexicon, and say numbers', async () => {
    expect(await phonemizer.phonemize('Olá mundo, como vai você?', 'pt')).toBe('ɔˈla mˈũŋdʊ, komʊ vaɪ vosˈe?');
    expect(await phonemizer.phonemize('1.5', 'en')).not.toContain('.');
    expect(await phonemizer.phonemize('Yes... no; maybe!', 'en')).toMatch(/^[^,.!]+\. [^,.!]+, [^,.!]+!$/u);
  });
  it.each(languageCodes)('exist for %s', async (code) => {
    const text = code === 'hi' ? 'नमस्ते दुनिया' : 'banana 12';
    expect(await phonemizer.phonemize(text, code)).toMatch(/^[\p{L}\p{M}ˈː ]+$/u);
  });
  it('refuse a text without anything to say', async () => {
    await expect(phonemizer.phonemize('… !', 'pt')).rejects.toThrow(/expected something to pronounce in 'pt'/);
  });
});

it('speaks in a voice that a request defines, and refuses one without a name', async () => {
  const espeak = new Espeak();
  try {
    const say = (voice: string, definition?: string) =>
      espeak.request({ voice, definition, text: 'bom dia', speak: true });
    const lines = (formant: number) => `language variant\nname mine\npitch 100 150\nformant 1 ${formant} 100 100\n`;
    const [usual, mine, other] = [
      await say('pt-br'),
      await say('pt-br+mine', lines(120)),
      await say('pt-br+mine', lines(80)),
    ];
    expect(mine.clauses).toEqual(usual.clauses);
    expect(new Set([usual.pcm, mine.pcm, other.pcm]).size).toBe(3);
    expect((await say('pt-br', lines(120))).error).toMatch(
      /^voice: expected a language and the name of its variant, got pt-br$/,
    );
  } finally {
    espeak.close();
  }
});
