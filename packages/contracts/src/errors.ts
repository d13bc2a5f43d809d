/** Stable identifiers of the error family: match on these, never on message text. */
export type ErrorCode = 'SHAPE' | 'CONFIG' | 'DATA' | 'CHECKPOINT' | 'DEVICE' | 'REWARD' | 'CANCELLED';

/** The parts of a message, in the one grammar every error of the project is written in. */
export interface ErrorParts {
  /** Operation, file or config path that refuses, e.g. `conv1d` or `weights.safetensors`. */
  where: string;
  /** Argument, axis, tensor or field at fault, e.g. `w: axis C`. */
  what: string;
  expected: string;
  got: string;
  /** Command to run or field to change, where it is known. */
  hint?: string | undefined;
  /** The error that led to this one. */
  cause?: unknown;
}

/**
 * Base of every error that a user can cause.
 *
 * Its message reads `<where>: <what>: expected <E>, got <A>`, then, where a remedy is known, a line `hint: <remedy>`.
 */
export abstract class Align2SpeakError extends Error {
  abstract readonly code: ErrorCode;
  readonly where: string;
  readonly what: string;
  readonly expected: string;
  readonly got: string;
  readonly hint: string | undefined;

  constructor({ where, what, expected, got, hint, cause }: ErrorParts) {
    const message = `${where}: ${what}: expected ${expected}, got ${got}${hint ? `\nhint: ${hint}` : ''}`;
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.where = where;
    this.what = what;
    this.expected = expected;
    this.got = got;
    this.hint = hint;
  }
}

/** Tensor sizes, ranks or types that do not fit each other. */
export class ShapeError extends Align2SpeakError {
  readonly code = 'SHAPE';
}

/** An option or configuration that is unknown, out of range, contradictory or without effect. */
export class ConfigError extends Align2SpeakError {
  readonly code = 'CONFIG';
}

/** Audio, text, manifests or other input data that cannot be used. */
export class DataError extends Align2SpeakError {
  readonly code = 'DATA';
}

/** A weights file or run folder that is damaged, incomplete or made for another model. */
export class CheckpointError extends Align2SpeakError {
  readonly code = 'CHECKPOINT';
}

/** A device, its memory or its native code that is missing or refuses. */
export class DeviceError extends Align2SpeakError {
  readonly code = 'DEVICE';
}

/** A reward that could not be computed for a sample. */
export class RewardError extends Align2SpeakError {
  readonly code = 'REWARD';
}

/** A call that was stopped by its AbortSignal; `cause` is the signal's reason. */
export class CancelledError extends Align2SpeakError {
  readonly code = 'CANCELLED';
}
