import { cer, segmentsOf } from '@align2speak/rewards';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { align, locatedErrors } from '../src/error-rate.js';

describe('segmentsOf', () => {
  it('keeps sounds and leaves out what is not compared', () => {
    expect(segmentsOf('bˈõ ʒuˌaːɾ, t͡ʃiˑ!').join('')).toBe('bõʒuaɾtʃi');
    expect(segmentsOf('kʼa˥ ¿n̩? d͜z _-ǃ')).toEqual([...'kʼa˥n̩dzǃ']);
    expect(segmentsOf(' ˈ.,')).toEqual([]);
  });

  it('does not distinguish ways to write one character', () => {
    expect(segmentsOf('a\u0303')).toEqual(['\u00e3']);
    expect(segmentsOf('c\u0327a\u0303')).toEqual(segmentsOf('\u00e7\u00e3'));
    // A tie between a letter and its accent does not keep them apart.
    expect(segmentsOf('a\u035c\u0303')).toEqual(['\u00e3']);
  });

  it('changes nothing the second time, for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const once = segmentsOf(text);
        expect(segmentsOf(once.join(''))).toEqual(once);
      }),
    );
  });
});

/** The definition, without remembering anything. */
function plainDistance(a: string[], b: string[]): number {
  if (a.length === 0 || b.length === 0) return a.length + b.length;
  const [restA, restB] = [a.slice(1), b.slice(1)];
  if (a[0] === b[0]) return plainDistance(restA, restB);
  return 1 + Math.min(plainDistance(restA, b), plainDistance(a, restB), plainDistance(restA, restB));
}

describe('align', () => {
  const distance = (a: string[], b: string[]) => align(a, b).errors;
  const word = (maxLength: number) => fc.array(fc.constantFrom('a', 'b', 'ɡ'), { maxLength });

  it('is what its definition says', () => {
    fc.assert(fc.property(word(6), word(6), (a, b) => distance(a, b) === plainDistance(a, b)));
  });

  it('is a metric within the bounds of the lengths', () => {
    fc.assert(
      fc.property(word(30), word(30), word(30), (a, b, c) => {
        const [ab, bc, ac] = [distance(a, b), distance(b, c), distance(a, c)];
        expect(ab).toBe(distance(b, a));
        expect(ab === 0).toBe(a.join() === b.join());
        expect(ac).toBeLessThanOrEqual(ab + bc);
        expect(ab).toBeGreaterThanOrEqual(Math.abs(a.length - b.length));
        expect(ab).toBeLessThanOrEqual(Math.max(a.length, b.length));
      }),
    );
  });

  it('gives each error to an element of the reference, and matches in order', () => {
    fc.assert(
      fc.property(word(12), fc.array(fc.constantFrom('a', 'b', 'ɡ'), { minLength: 1, maxLength: 12 }), (a, b) => {
        const { errors, each, matches } = align(a, b);
        expect(each.reduce((sum, count) => sum + count, 0)).toBe(errors);
        const found = [...matches].filter((i) => i >= 0);
        expect(found).toEqual([...new Set(found)].sort((x, y) => x - y));
        for (const [j, i] of matches.entries()) if (each[j] === 0) expect(a[i]).toBe(b[j]);
      }),
    );
  });

  it('tells missing, replaced and inserted elements apart', () => {
    expect(align([...'xabd'], [...'abcd'])).toEqual({
      errors: 2,
      each: Float64Array.of(1, 0, 1, 0),
      matches: Int32Array.of(1, 2, -1, 3),
    });
    expect(align([...'abxx'], [...'ab']).each).toEqual(Float64Array.of(0, 2));
    expect(align([], [...'ab'])).toEqual({ errors: 2, each: Float64Array.of(1, 1), matches: Int32Array.of(-1, -1) });
    expect(align([...'ab'], [])).toEqual({ errors: 2, each: new Float64Array(0), matches: new Int32Array(0) });
  });
});

describe('cer', () => {
  it('counts errors over the reference and is not clipped', () => {
    expect(cer('ˈolɐ', 'ˈɔlɐ.')).toEqual({ errors: 1, length: 3, rate: 1 / 3 });
    expect(cer('aaaaaa', 'ab')).toEqual({ errors: 5, length: 2, rate: 2.5 });
    expect(cer('', 'ab').rate).toBe(1);
    expect(cer('a b', 'ab').rate).toBe(0);
  });

  it('has no rate where nothing was to be said', () => {
    expect(cer('ab', ' ,')).toEqual({ errors: 2, length: 0, rate: Number.NaN });
  });
});

describe('locatedErrors', () => {
  it('places each segment where it was heard, and missing ones between their neighbours', () => {
    const heard = { text: 'obdo', places: [0.1, 0.3, 0.6, 0.8] };
    const { count, parts } = locatedErrors(heard, 'ˈobedu');
    expect(count).toEqual({ errors: 2, length: 5, rate: 0.4 });
    expect(parts.values).toEqual(Float64Array.of(0, 0, 1, 0, 1));
    expect([...parts.places].map((place) => Number(place.toFixed(9)))).toEqual([0.1, 0.3, 0.45, 0.6, 0.8]);
  });

  it('knows a letter and its accent for one segment', () => {
    const { parts } = locatedErrors({ text: 'ba\u0303o', places: [0.2, 0.4, 0.5, 0.9] }, 'b\u00e3o');
    expect(parts).toEqual({ values: Float64Array.of(0, 0, 0), places: Float64Array.of(0.2, 0.4, 0.9) });
  });

  it('spreads a text that was not heard at all over the sample', () => {
    const { count, parts } = locatedErrors({ text: '', places: [] }, 'abc');
    expect(count.rate).toBe(1);
    expect(parts.places).toEqual(Float64Array.of(0.25, 0.5, 0.75));
  });
});
