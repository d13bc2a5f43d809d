import type { DiscriminatorConfig } from '@align2speak/contracts';
import { binding, type DiscriminatorsHandle, type NativeModel } from './binding.js';
import { type CallOptions, underSignal } from './engine.js';
import { type CreateOptions, Model } from './model.js';
import { handleOf, type Tensor } from './tensor.js';

/** The discriminators' handle. @throws TypeError for anything else. */
export let discriminatorsOf: (discriminators: unknown, where: string) => DiscriminatorsHandle;

/**
 * What a codec is trained against: networks that tell recordings from decoded speech, over the waveform folded at some periods and over
 * bands of its spectrogram.
 *
 * @see Kong et al.: HiFi-GAN, arXiv 2010.05646; Kumar et al.: Descript Audio Codec, arXiv 2306.06546
 */
export class Discriminators extends Model {
  readonly config: DiscriminatorConfig;
  readonly #handle: DiscriminatorsHandle;

  static {
    discriminatorsOf = (discriminators, where) => {
      if (typeof discriminators === 'object' && discriminators !== null && #handle in discriminators)
        return discriminators.#handle;
      throw new TypeError(`${where}: expected Discriminators, got another value`);
    };
  }

  private constructor(config: DiscriminatorConfig, { model, params }: NativeModel<DiscriminatorsHandle>) {
    super(params);
    this.config = config;
    this.#handle = model;
  }

  /**
   * Networks with random weights.
   *
   * @param config As `parseConfig(discriminatorConfig, …)` of @align2speak/contracts returns it.
   * @throws ConfigError where it is unknown or cannot be; DeviceError where there is no memory.
   */
  static async create(
    config: DiscriminatorConfig,
    { dtype = 'f32', seed = 0, signal }: CreateOptions = {},
  ): Promise<Discriminators> {
    const made = await underSignal({ signal }, (token) => binding().discriminatorsNew(config, dtype, seed, token));
    return new Discriminators(config, made);
  }

  /**
   * A forward and a backward pass of their own loss, least squares: 1 for recordings, 0 for decoded speech, mean over the networks.
   * Adds `weight` times its gradients to those of the parameters.
   *
   * @param speech `recorded` and `decoded`, both `[B, S]` in the networks' dtype.
   * @throws ShapeError where they differ, or S is too short for a layer.
   */
  async lossBackward(
    { recorded, decoded }: { recorded: Tensor; decoded: Tensor },
    { weight = 1, signal }: { weight?: number | undefined } & CallOptions = {},
  ): Promise<{ loss: number }> {
    const [real, made] = [handleOf(recorded, 'discriminators: recorded'), handleOf(decoded, 'discriminators: decoded')];
    const loss = await underSignal({ signal }, (token) =>
      binding().discriminatorsTrain(this.#handle, real, made, weight, token),
    );
    return { loss };
  }

  override dispose(): void {
    super.dispose();
    binding().discriminatorsDispose(this.#handle);
  }
}
