import { CheckpointError, type CodecConfig, codecConfig, parseConfig } from '@align2speak/contracts';

/** Names and shapes of the tensors in a weights file. */
export type TensorShapes = ReadonlyMap<string, { readonly shape: readonly number[] }>;

const weightOf = (stem: string) => `${stem}.conv.parametrizations.weight.original1`;

/**
 * The configuration of published codec weights, every dimension read from tensor shapes.
 *
 * @param tensors names and shapes, by the published names
 * @param hints what shapes do not say: the sample rate, the levels, dilations other than 1, 3, 5
 * @param where file or folder, named by errors
 * @throws CheckpointError when a tensor that every codec has is missing, ConfigError when the parts do not fit
 */
export function codecConfigFromWeights(tensors: TensorShapes, hints: Partial<CodecConfig>, where: string): CodecConfig {
  const dim = (stem: string, axis: number) => {
    const tensor = tensors.get(weightOf(stem));
    if (tensor) return tensor.shape[axis]!;
    throw new CheckpointError({ where, what: weightOf(stem), expected: 'a tensor of this name', got: 'none' });
  };
  const count = (stem: (i: number) => string) => {
    let n = 0;
    while (tensors.has(weightOf(stem(n)))) n++;
    return n;
  };
  // A resampling convolution is twice as long as its stride.
  const rates = (stem: (i: number) => string) => Array.from({ length: count(stem) }, (_, i) => dim(stem(i), 2) / 2);
  const block = (i: number) => `audio_encoder.res_layers.0.res_blocks.${i}.res_blocks.0.input_conv`;
  const blocks = count(block);
  const groups = groupCount(tensors);
  return parseConfig(
    codecConfig,
    {
      ...hints,
      encoderChannels: dim('audio_encoder.pre_conv', 0),
      decoderChannels: dim('audio_decoder.pre_conv', 0),
      downSampleRates: rates((i) => `audio_encoder.down_sample_conv_layers.${i}`),
      upSampleRates: rates((i) => `audio_decoder.up_sample_conv_layers.${i}`),
      latent: dim('audio_encoder.post_conv', 0),
      groups,
      resKernels: Array.from({ length: blocks }, (_, i) => dim(block(i), 2)),
    },
    where,
  );
}

function groupCount(tensors: TensorShapes): number {
  let groups = 0;
  while (tensors.has(`vector_quantizer.fsqs.${groups}.num_levels`)) groups++;
  return groups;
}
