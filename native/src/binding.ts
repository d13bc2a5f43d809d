import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { DeviceError } from '@align2speak/contracts';
import { errorFromNative } from './errors.js';

export type DType = 'f32' | 'f64' | 'i32';
/** The arrays that tensors are made from and read into: one for each DType. */
export type TensorArray = Float32Array<ArrayBufferLike> | Float64Array<ArrayBufferLike> | Int32Array<ArrayBufferLike>;

declare const kind: unique symbol;
/** A native object of one kind. The addon refuses handles of another kind. */
export interface Handle<Kind extends string> {
  readonly [kind]: Kind;
}
export type TensorHandle = Handle<'tensor'>;
export type CancelToken = Handle<'cancel'>;
export type ParamsHandle = Handle<'params'>;
export type TtsHandle = Handle<'tts'>;
export type CodecHandle = Handle<'codec'>;
export type CodecStreamHandle = Handle<'codecStream'>;
export type DiscriminatorsHandle = Handle<'discriminators'>;
export type JudgeHandle = Handle<'judge'>;
export type OptimizerHandle = Handle<'optimizer'>;

export interface NativeTensor {
  handle: TensorHandle;
  dtype: DType;
  shape: number[];
}

/** What the addon is and runs on. */
export interface NativeInfo {
  version: string;
  /** Best instruction set that both the kernels and this CPU have. */
  isa: 'baseline' | 'avx2' | 'avx512' | 'avx512bf16' | 'amx';
  /** Compute threads. */
  threads: number;
  compiler: string;
  buildType: string;
  cuda: {
    /** What the maker calls each GPU. */
    devices: string[];
    /** Why there are none; empty where there are. */
    missing: string;
  };
}

/** The contract of one op, as the core declares it; names are snake_case here. */
export interface OpContract {
  name: string;
  summary: string;
  formula: string;
  source: string;
  inputs: OpArg[];
  outputs: OpArg[];
  attrs: OpAttr[];
  differentiable: boolean;
}

export interface OpArg {
  name: string;
  /** Axes in memory order, e.g. `B T C`. */
  axes: string;
  doc: string;
  kind: 'data' | 'param' | 'fixed' | 'ints';
  optional: boolean;
}

export interface OpAttr {
  name: string;
  type: 'integer' | 'real' | 'boolean' | 'choice';
  /** Value when none is given; for a choice its position. */
  fallback: number;
  low: number;
  high: number;
  doc: string;
  choices: string[];
}

/** Two handles of one object. */
export interface NativeModel<ModelHandle> {
  model: ModelHandle;
  params: ParamsHandle;
}

/** The flat buffers of a model's parameters. */
export type ParameterBuffer = 'values' | 'grads' | 'expAvg' | 'expAvgSq';

export interface OptimizerSettings {
  beta1?: number;
  beta2?: number;
  eps?: number;
  weightDecay?: number;
}

/** What one optimizer step did. */
export interface StepReport {
  /** Norm of the trainable parameters' gradients, before clipping. */
  gradNorm: number;
  clipped: boolean;
  /** Gradient elements that are NaN or infinite; where there are any, nothing was changed. */
  nonFinite: number;
}

type Named<T> = Record<string, T>;
type Values = Record<string, unknown>;
type MaybeToken = CancelToken | undefined;

/** The addon's functions. Whatever takes time returns a promise; an undefined token cannot be cancelled. */
export interface Binding {
  info(): NativeInfo;
  setThreads(threads: number): Promise<void>;
  setErrorFactory(factory: (code: string, message: string) => Error): void;
  setProgressListener(listener: (id: number, step: number, running: number) => void): void;
  cancelToken(): CancelToken;
  cancel(token: CancelToken): void;

  tensorNew(array: TensorArray, shape: readonly number[]): NativeTensor;
  tensorWrite(tensor: TensorHandle, array: TensorArray, begin: number, end: number): void;
  tensorRead(tensor: TensorHandle, array: TensorArray, begin: number, end: number): void;
  tensorDispose(tensor: TensorHandle): void;

  opTable(): OpContract[];
  runOp(
    name: string,
    inputs: Named<TensorHandle | undefined>,
    attrs: Named<unknown>,
    token: MaybeToken,
  ): Promise<Named<NativeTensor>>;
  opGradients(
    name: string,
    inputs: Named<TensorHandle | undefined>,
    attrs: Named<unknown>,
    dOutputs: Named<TensorHandle | undefined>,
    token: MaybeToken,
  ): Promise<Named<NativeTensor>>;

  ttsNew(
    config: object,
    dtype: DType,
    seed: number | null,
    bf16: boolean,
    token: MaybeToken,
  ): Promise<NativeModel<TtsHandle>>;
  ttsEvaluate(
    model: TtsHandle,
    batch: Values,
    want: readonly string[],
    score: Values,
    token: MaybeToken,
  ): Promise<Named<NativeTensor>>;
  ttsTrain(model: TtsHandle, passes: { batch: Values; loss: Values }[], token: MaybeToken): Promise<Values[]>;
  ttsGenerate(
    model: TtsHandle,
    prompts: Values,
    settings: Values,
    progressId: number,
    token: MaybeToken,
  ): Promise<Values>;
  ttsDispose(model: TtsHandle): void;

  codecNew(config: object, dtype: DType, seed: number | null, token: MaybeToken): Promise<NativeModel<CodecHandle>>;
  codecBuffers(model: CodecHandle): { name: string; shape: number[]; values: Int32Array }[];
  codecEncode(
    model: CodecHandle,
    audio: TensorHandle,
    samples: TensorHandle | undefined,
    token: MaybeToken,
  ): Promise<Named<NativeTensor>>;
  codecDecode(
    model: CodecHandle,
    codes: TensorHandle,
    frames: TensorHandle | undefined,
    token: MaybeToken,
  ): Promise<Named<NativeTensor>>;
  codecEvaluate(
    model: CodecHandle,
    audio: TensorHandle,
    samples: TensorHandle | undefined,
    token: MaybeToken,
  ): Promise<Named<NativeTensor>>;
  codecTrain(
    model: CodecHandle,
    audio: TensorHandle,
    samples: TensorHandle | undefined,
    loss: object,
    token: MaybeToken,
  ): Promise<Named<NativeTensor | number>>;
  discriminatorsNew(
    config: object,
    dtype: DType,
    seed: number | null,
    token: MaybeToken,
  ): Promise<NativeModel<DiscriminatorsHandle>>;
  discriminatorsTrain(
    model: DiscriminatorsHandle,
    recorded: TensorHandle,
    decoded: TensorHandle,
    weight: number,
    token: MaybeToken,
  ): Promise<number>;
  discriminatorsDispose(model: DiscriminatorsHandle): void;
  codecDispose(model: CodecHandle): void;
  codecStreamNew(model: CodecHandle, streams: number, token: MaybeToken): Promise<CodecStreamHandle>;
  codecStreamDecode(stream: CodecStreamHandle, codes: TensorHandle, token: MaybeToken): Promise<Named<NativeTensor>>;
  codecStreamRestart(stream: CodecStreamHandle, index: number): Promise<void>;
  codecStreamDispose(stream: CodecStreamHandle): void;

  judgeNew(config: object, dtype: DType, seed: number | null, token: MaybeToken): Promise<NativeModel<JudgeHandle>>;
  judgeEvaluate(model: JudgeHandle, batch: Values, token: MaybeToken): Promise<Named<NativeTensor>>;
  judgeTrain(
    model: JudgeHandle,
    batch: Values,
    settings: object,
    token: MaybeToken,
  ): Promise<Named<NativeTensor | number>>;
  judgeDispose(model: JudgeHandle): void;

  paramsList(params: ParamsHandle): { name: string; shape: number[]; dtype: DType; trainable: boolean }[];
  paramsRead(
    params: ParamsHandle,
    buffer: ParameterBuffer,
    names: readonly string[] | undefined,
    token: MaybeToken,
  ): Promise<Named<NativeTensor>>;
  paramsWrite(
    params: ParamsHandle,
    buffer: ParameterBuffer,
    tensors: Named<TensorHandle>,
    token: MaybeToken,
  ): Promise<void>;
  paramsZeroGrad(params: ParamsHandle): Promise<void>;
  paramsDispose(params: ParamsHandle): void;

  optimizerNew(params: ParamsHandle, settings: OptimizerSettings): OptimizerHandle;
  optimizerStep(
    optimizer: OptimizerHandle,
    settings: { lr: number; clipNorm?: number | undefined },
    token: MaybeToken,
  ): Promise<StepReport>;
  optimizerSteps(optimizer: OptimizerHandle): Promise<number>;
  optimizerRestore(optimizer: OptimizerHandle, steps: number): Promise<void>;
}

/** Where the addon is: beside src/ and dist/, or where ALIGN2SPEAK_ADDON points, e.g. to a sanitized build. */
export function addonPath(): string {
  const built = new URL('../build/Release/align2speak_native.node', import.meta.url);
  return process.env.ALIGN2SPEAK_ADDON ?? fileURLToPath(built);
}

let loaded: Binding | undefined;

/** The addon, loaded when first used. @throws DeviceError where it is not built, or built for another machine. */
export function binding(): Binding {
  loaded ??= load(addonPath());
  return loaded;
}

/** Loads the addon at a path. */
export function load(path: string): Binding {
  const hint = 'npm run setup';
  if (!existsSync(path)) {
    throw new DeviceError({ where: 'native', what: 'addon', expected: `the file ${path}`, got: 'none', hint });
  }
  try {
    const addon: Binding = createRequire(import.meta.url)(path);
    addon.setErrorFactory(errorFromNative);
    return addon;
  } catch (cause) {
    const expected = `${path} to be built for ${process.platform}-${process.arch}`;
    const [got] = String(cause).split('\n');
    throw new DeviceError({ where: 'native', what: 'addon', expected, got: got!, hint, cause });
  }
}
