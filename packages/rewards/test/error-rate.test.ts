import { cer, editDistance, segmentsOf } from '@align2speak/rewards';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

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

describe('editDistance', () => {
  const word = (maxLength: number) => fc.array(fc.constantFrom('a', 'b', 'ɡ'), { maxLength });

  it('is what its definition says', () => {
    fc.assert(fc.property(word(6), word(6), (a, b) => editDistance(a, b) === plainDistance(a, b)));
  });

  it('is a metric within the bounds of the lengths', () => {
    fc.assert(
      fc.property(word(30), word(30), word(30), (a, b, c) => {
        const [ab, bc, ac] = [editDistance(a, b), editDistance(b, c), editDistance(a, c)];
        expect(ab).toBe(editDistance(b, a));
        expect(ab === 0).toBe(a.join() === b.join());
        expect(ac).toBeLessThanOrEqual(ab + bc);
        expect(ab).toBeGreaterThanOrEqual(Math.abs(a.length - b.length));
        expect(ab).toBeLessThanOrEqual(Math.max(a.length, b.length));
      }),
    );
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
