import {
  Align2SpeakError,
  CancelledError,
  CheckpointError,
  ConfigError,
  DataError,
  DeviceError,
  RewardError,
  ShapeError,
} from '@align2speak/contracts';
import { describe, expect, it } from 'vitest';

describe('errors', () => {
  it('speak one grammar', () => {
    const error = new ShapeError({ where: 'conv1d', what: 'w: axis C', expected: '8', got: '16' });
    expect(error.message).toBe('conv1d: w: axis C: expected 8, got 16');
    expect(error).toMatchObject({ where: 'conv1d', what: 'w: axis C', expected: '8', got: '16', hint: undefined });
  });

  it('put the remedy on a line of its own', () => {
    const cause = new Error('EACCES');
    const error = new ShapeError({ where: 'a', what: 'b', expected: 'c', got: 'd', hint: 'run e', cause });
    expect(error.message).toBe('a: b: expected c, got d\nhint: run e');
    expect(error.cause).toBe(cause);
  });

  it.each([
    ['ShapeError', ShapeError, 'SHAPE'],
    ['ConfigError', ConfigError, 'CONFIG'],
    ['DataError', DataError, 'DATA'],
    ['CheckpointError', CheckpointError, 'CHECKPOINT'],
    ['DeviceError', DeviceError, 'DEVICE'],
    ['RewardError', RewardError, 'REWARD'],
    ['CancelledError', CancelledError, 'CANCELLED'],
  ] as const)('%s keeps its name and code', (name, Kind, code) => {
    const error = new Kind({ where: 'a', what: 'b', expected: 'c', got: 'd' });
    expect(error).toMatchObject({ name, code });
    expect(error).toBeInstanceOf(Align2SpeakError);
    expect(error).toBeInstanceOf(Error);
  });
});
