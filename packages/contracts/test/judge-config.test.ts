import { ConfigError, judgeConfig, parseConfig } from '@align2speak/contracts';
import { describe, expect, it } from 'vitest';

const ctc = { kind: 'ctc', labels: 40 };

describe('judgeConfig', () => {
  it('needs nothing but a head', () => {
    expect(parseConfig(judgeConfig, { head: ctc }, 'test')).toEqual({
      sampleRate: 22050,
      nFft: 1024,
      hopLength: 256,
      nMels: 80,
      frameStack: 2,
      channels: 160,
      kernel: 5,
      dilations: [1, 2, 4, 1, 2, 4],
      dropout: 0.1,
      head: ctc,
    });
    const { head } = parseConfig(judgeConfig, { head: { kind: 'speaker', dim: 128, speakers: 9 } }, 'test');
    expect(head).toEqual({ kind: 'speaker', dim: 128, speakers: 9, scale: 16, margin: 0.15 });
  });

  it.each([
    [{}, 'head: expected an object, got nothing'],
    [{ head: ctc, kernel: 4 }, 'kernel: expected an odd number, got 4'],
    [{ head: ctc, nFft: 1022 }, 'nFft: expected an even number without prime factors above 5, got 1022'],
    [{ head: ctc, nFft: 1125 }, 'nFft: expected an even number without prime factors above 5, got 1125'],
    [{ head: ctc, nFft: 128 }, 'hopLength: expected at most nFft (128), got 256'],
    [{ head: ctc, dilations: [] }, 'dilations: expected at least 1 entries, got []'],
    [{ head: ctc, dropout: 1 }, 'dropout: expected less than 1, got 1'],
    [{ head: ctc, width: 3 }, 'width: expected fields that exist'],
    [{ head: { kind: 'ctc' } }, 'head.labels: expected a number, got nothing'],
    [{ head: { kind: 'ctc', labels: 1 } }, 'head.labels: expected at least 2, got 1'],
    [{ head: { kind: 'quality', labels: 3 } }, 'head.labels: expected fields that exist'],
    [{ head: { kind: 'speaker', dim: 8, speakers: 2, margin: -1 } }, 'head.margin: expected at least 0, got -1'],
    [{ head: {} }, 'head.kind: expected "ctc" or "speaker" or "quality", got nothing'],
    [{ head: { kind: 'age' } }, 'head.kind: expected "ctc" or "speaker" or "quality", got "age"'],
  ])('refuses %o', (input, message) => {
    const parse = () => parseConfig(judgeConfig, input, 'judge.json');
    expect(parse).toThrow(ConfigError);
    expect(parse).toThrow(`judge.json: ${message}`);
  });
});
