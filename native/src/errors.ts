import {
  CancelledError,
  CheckpointError,
  ConfigError,
  DataError,
  DeviceError,
  type ErrorParts,
  ShapeError,
} from '@align2speak/contracts';

const classes = {
  SHAPE: ShapeError,
  CONFIG: ConfigError,
  DATA: DataError,
  CHECKPOINT: CheckpointError,
  DEVICE: DeviceError,
};

// The two sentences of the core: the family's grammar, and two tensors that disagree on an axis.
const grammar = /^(.+?): (?:(.+): )?expected (.+), got (.+?)$/s;
const disagreement = /^(.+?): (.+: axis .+) is (\d+), but (.+ has .+)$/s;

const abort = { what: 'signal', expected: 'the call to run to its end', got: 'an abort' };

/** The error of the family for a code and a message of the native core. The message stays as the core wrote it. */
export function errorFromNative(code: string, message: string): Error {
  const [where] = message.split(':') as [string];
  if (code === 'CANCELLED') return new CancelledError({ where, ...abort });
  const [text, hint] = message.split(/; hint: |\nhint: /) as [string, string | undefined];
  const ErrorClass = classes[code as keyof typeof classes] ?? DeviceError;
  const error = new ErrorClass({ ...partsOf(text), hint });
  error.message = hint === undefined ? text : `${text}\nhint: ${hint}`;
  return error;
}

function partsOf(text: string): ErrorParts {
  const [, where, what, expected, got] = grammar.exec(text) ?? [];
  if (where) return { where, what: what ?? 'value', expected: expected!, got: got! };
  const [, op, axis, extent, other] = disagreement.exec(text) ?? [];
  if (op) return { where: op, what: axis!, expected: `the same size, but ${other}`, got: extent! };
  return { where: 'native', what: 'call', expected: 'success', got: text };
}
