import { languageOf } from '@align2speak/text';
import { describe, expect, it } from 'vitest';
import { grammars } from '../src/languages/index.js';
import { CounterRandom } from '../src/random.js';
import { SentenceMaker, type Split } from '../src/sentences.js';
import { inventedVoice, voicesOf } from '../src/voices.js';

const wordsOf = (text: string) => text.toLowerCase().match(/[\p{L}\p{M}]+/gu) ?? [];
const lists = (lang: string) => Object.values(grammars[lang]!.words);
const split = (list: string) => list.split(' ');
const draw = (lang: string, part: Split, count: number) => {
  const maker = new SentenceMaker(grammars[lang]!);
  return Array.from({ length: count }, (_, i) => maker.sentence(part, new CounterRandom(1, part, lang, i)));
};

describe.each(Object.keys(grammars))('%s', (lang) => {
  const { phrases } = grammars[lang]!;
  const literals = phrases.flatMap((phrase) => wordsOf(phrase.replace(/\{.*?\}/gu, ' ')));
  const seen = new Set([...lists(lang).flatMap(([seen]) => split(seen.toLowerCase())), ...literals]);
  const heldOut = new Set(lists(lang).flatMap(([, heldOut]) => split(heldOut.toLowerCase())));

  it('has at least 120 seen words and 40 held out, none in both', () => {
    expect(seen.size).toBeGreaterThanOrEqual(120);
    expect(heldOut.size).toBeGreaterThanOrEqual(40);
    expect([...heldOut].filter((word) => seen.has(word))).toEqual([]);
    for (const list of lists(lang).flat()) expect(new Set(split(list)).size, list).toBe(split(list).length);
  });
  it('splits hold out the same words whatever the slot', () => {
    const parts = { validation: new Set<string>(), test: new Set<string>() };
    for (const [, list] of lists(lang))
      for (const [i, word] of split(list.toLowerCase()).entries()) parts[i % 3 === 0 ? 'validation' : 'test'].add(word);
    expect([...parts.validation].filter((word) => parts.test.has(word))).toEqual([]);
  });
  it('has phrases of two to six words, all slots known and used', () => {
    const slots = new Set(phrases.flatMap((phrase) => [...phrase.matchAll(/\{(.*?)\}/gu)].map(([, name]) => name)));
    expect([...slots].sort()).toEqual(Object.keys(grammars[lang]!.words).sort());
    for (const phrase of phrases) expect(phrase.split(' ').length, phrase).toSatisfy((n: number) => n >= 2 && n <= 6);
  });
  it('never trains on a held-out word; half of the words of a test are held out', () => {
    for (const text of draw(lang, 'train', 2000))
      for (const word of wordsOf(text)) expect(heldOut, text).not.toContain(word);
    for (const part of ['validation', 'test'] as const)
      for (const text of draw(lang, part, 300)) {
        const words = wordsOf(text);
        expect(2 * words.filter((word) => heldOut.has(word)).length, text).toBeGreaterThanOrEqual(words.length);
      }
  });
  it('puts pseudo-words into 30 % of the training sentences', () => {
    const made = draw(lang, 'train', 2000).filter((text) => wordsOf(text).some((word) => !seen.has(word)));
    expect(made.length / 2000).toBeGreaterThan(0.26);
    expect(made.length / 2000).toBeLessThan(0.34);
  });
  it('has sentences enough', () => {
    expect(new Set(draw(lang, 'test', 400)).size).toBeGreaterThan(300);
    expect(new Set(draw(lang, 'train', 4000)).size).toBeGreaterThan(3500);
    expect(languageOf(lang).voice).not.toBe('');
  });
});

it('voices: 60, 8 and 12, with names of their own and no variant in two splits', () => {
  const parts = (['train', 'validation', 'test'] as const).map(voicesOf);
  expect(parts.map((voices) => voices.length)).toEqual([60, 8, 12]);
  expect(new Set(parts.flat().map(({ id }) => id)).size).toBe(80);
  const variants = parts.map((voices) => new Set(voices.map(({ variant }) => variant)));
  expect(new Set(variants.flatMap((set) => [...set])).size).toBe(variants.reduce((sum, { size }) => sum + size, 0));
  for (const { pitch, scale } of parts.flat()) {
    expect(pitch).toSatisfy((value: number) => Number.isInteger(value) && value >= 0 && value <= 99);
    expect(scale).toSatisfy((value: number) => value >= 0.85 && value <= 1.18);
  }
});

it('invents as many voices as are asked for, each by its number alone', () => {
  const made = Array.from({ length: 300 }, (_, i) => inventedVoice(i));
  expect(new Set(made.map(({ definition }) => definition)).size).toBe(300);
  expect(inventedVoice(17)).toEqual(made[17]);
  for (const { id, variant, definition } of made) {
    expect(variant).toBe(id);
    expect(definition).toMatch(
      new RegExp(`^language variant\\nname ${id}\\npitch \\d+ \\d+\\n(formant \\d \\d+ \\d+ \\d+\\n){9}`),
    );
  }
});
