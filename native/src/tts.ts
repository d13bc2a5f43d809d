import type { TtsConfig } from '@align2speak/contracts';
import { binding, type NativeModel, type TtsHandle } from './binding.js';
import { type CallOptions, trackProgress, underSignal } from './engine.js';
import { type CreateOptions, Model } from './model.js';
import { type Tensor, withHandles, withTensors } from './tensor.js';
import type {
  Generated,
  GenerateSettings,
  PastNoise,
  ScoreSettings,
  Trained,
  TtsBatch,
  TtsLoss,
  TtsPart,
  TtsPass,
  TtsPrompts,
} from './tts-types.js';

export interface GenerateOptions extends CallOptions {
  /** Called after each decoder step with its number and how many samples still run. An error that it throws ends the call. */
  onProgress?: ((step: number, running: number) => void) | undefined;
}

export interface TtsCreateOptions extends CreateOptions {
  /**
   * Matrix products round their operands to bfloat16 and sum in f32, and attention of a sequence to itself rounds its keys and values,
   * which generation keeps in half the memory; parameters, and all else, stay f32. Faster where the processor has such products (AMX;
   * AVX512-BF16 of AMD), and where samples wait for weights, keys and values.
   */
  bf16?: boolean | undefined;
}

/** The text-to-codes model: text and a voice prompt in, codec codes out. */
export class Tts extends Model {
  readonly config: TtsConfig;
  readonly #handle: TtsHandle;

  private constructor(config: TtsConfig, { model, params }: NativeModel<TtsHandle>) {
    super(params);
    this.config = config;
    this.#handle = model;
  }

  /**
   * A model with random values.
   *
   * @param config As `parseConfig(ttsConfig, …)` of @align2speak/contracts returns it.
   * @throws ConfigError where it is unknown or cannot be, or `bf16` is asked of f64; DeviceError where there is no memory.
   */
  static async create(config: TtsConfig, options: TtsCreateOptions = {}): Promise<Tts> {
    const { dtype = 'f32', seed = 0, bf16 = false, signal } = options;
    return new Tts(
      config,
      await underSignal({ signal }, (token) => binding().ttsNew(config, dtype, seed, bf16, token)),
    );
  }

  /** The heads that draw and score tokens unless a call names others: the local transformer's, where the model has one. */
  get heads(): 'parallel' | 'local' {
    return this.config.localTransformer ? 'local' : 'parallel';
  }

  override dispose(): void {
    super.dispose();
    binding().ttsDispose(this.#handle);
  }

  /**
   * A forward pass without dropout; `past` replaces frames that the decoder sees.
   *
   * @param want What to return: `text` [P,N,C] and `context` [P,Uc,C] as encoded, `hidden` [B,U,C], `logits` [B,U,K·S·V] of the
   * parallel heads, `logprobs` and `entropy` [B,K,T] of the targets, whose last frame is EOS or `endTokens`.
   * @throws ShapeError or DataError on a batch that cannot be, ConfigError on settings.
   */
  async forward<Part extends TtsPart>(
    batch: TtsBatch,
    want: readonly Part[],
    { signal, ...score }: ScoreSettings & { past?: PastNoise | undefined } & CallOptions = {},
  ): Promise<Record<Part, Tensor>> {
    const result = await underSignal({ signal }, (token) =>
      binding().ttsEvaluate(
        this.#handle,
        withHandles(batch),
        want,
        withHandles({ heads: this.heads, ...score }),
        token,
      ),
    );
    return withTensors(result) as Record<Part, Tensor>;
  }

  /**
   * A forward and a backward pass. Adds `weight` times the gradients of the loss to those of the parameters.
   *
   * @throws as forward.
   */
  async lossBackward(batch: TtsBatch, loss: TtsLoss, options: CallOptions = {}): Promise<Trained> {
    const [trained] = await this.lossBackwardEach([{ batch, loss }], options);
    return trained!;
  }

  /**
   * lossBackward of several batches, side by side: each thread takes whole ones, which is faster than to share them. Gradients are added
   * in the order of the passes, with the same bits for any number of threads.
   *
   * @throws as forward; the gradients are then of no use.
   */
  async lossBackwardEach(passes: readonly TtsPass[], { signal }: CallOptions = {}): Promise<Trained[]> {
    const native = passes.map(({ batch, loss }) => ({
      batch: withHandles(batch),
      loss: withHandles({
        ...(loss.kind !== 'supervised' && { heads: this.heads }),
        ...loss,
        ...('reference' in loss && loss.reference instanceof Tts && { reference: loss.reference.#handle }),
      }),
    }));
    const results = await underSignal({ signal }, (token) => binding().ttsTrain(this.#handle, native, token));
    return results.map((result) => withTensors(result) as unknown as Trained);
  }

  /**
   * Samples codes: `group` samples for each prompt. What a sample becomes depends on the model, its prompt, the settings
   * and its own id, and on nothing else in the batch.
   *
   * @throws as forward.
   */
  async generate(
    prompts: TtsPrompts,
    settings: GenerateSettings = {},
    { signal, onProgress: listener }: GenerateOptions = {},
  ): Promise<Generated> {
    const broken = new AbortController();
    const signals = signal ? AbortSignal.any([signal, broken.signal]) : broken.signal;
    const progress = trackProgress(listener, (error) => broken.abort(error));
    try {
      const result = await underSignal({ signal: signals }, (token) =>
        binding().ttsGenerate(
          this.#handle,
          withHandles(prompts),
          withHandles({ heads: this.heads, ...settings }),
          progress.id,
          token,
        ),
      );
      broken.signal.throwIfAborted();
      return withTensors(result) as unknown as Generated;
    } catch (error) {
      throw broken.signal.aborted ? broken.signal.reason : error;
    } finally {
      progress.end();
    }
  }
}
