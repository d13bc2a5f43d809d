import { z } from 'zod';
import { refuse, size } from './config.js';

const sizes = (values: number[], least = 1) => z.array(z.int().min(least).max(1000)).min(1).default(values);

/**
 * Configuration of the codec; field names are those the native model reads.
 *
 * The defaults are the published 22.05 kHz, 21.5 frames/s, 8-codebook model. Paddings follow from kernels and strides.
 * One frame is `product(downSampleRates)` samples: the hop length.
 */
export const codecConfig = z
  .strictObject({
    sampleRate: size.default(22_050).describe('Hz.'),
    encoderChannels: size.default(24).describe('Channels after the first convolution; each stage doubles them.'),
    decoderChannels: size.default(864).describe('Channels after the first convolution; each stage halves them.'),
    downSampleRates: sizes([2, 2, 4, 8, 8], 2).describe('Strides of the encoder; a kernel is twice its stride.'),
    upSampleRates: sizes([8, 8, 4, 2, 2], 2).describe('Strides of the decoder; a kernel is twice its stride.'),
    latent: size.default(32).describe('Channels between encoder and decoder: groups * levels.length.'),
    groups: size.default(8).describe('K, codebooks: groups of the quantiser.'),
    levels: sizes([8, 7, 6, 6], 2).describe('Steps of each scalar of a group; their product is the codebook size.'),
    resKernels: sizes([3, 7, 11]).describe('Odd kernels of the residual layers.'),
    resDilations: sizes([1, 3, 5]).describe('Dilations within one residual layer.'),
  })
  .superRefine((config, context) => {
    const { downSampleRates, upSampleRates, decoderChannels, groups, levels, latent, resKernels } = config;
    const product = (values: number[]) => values.reduce((a, b) => a * b, 1);
    if (product(downSampleRates) !== product(upSampleRates)) {
      const expected = `rates whose product is the encoder's (${product(downSampleRates)})`;
      refuse(context, ['upSampleRates'], expected, upSampleRates);
    }
    // The narrowest activation has a snake half and a leaky half, so that two channels must be left at the end.
    const narrowest = decoderChannels / 2 ** upSampleRates.length;
    if (narrowest < 2 || !Number.isInteger(narrowest)) {
      refuse(
        context,
        ['decoderChannels'],
        `a multiple of ${2 ** upSampleRates.length}, twice it at least`,
        decoderChannels,
      );
    }
    if (latent !== groups * levels.length) {
      refuse(context, ['latent'], `groups * levels.length (${groups * levels.length})`, latent);
    }
    if (product(levels) > 2 ** 24) {
      refuse(context, ['levels'], 'a product of at most 16777216, so that f32 arithmetic holds each code', levels);
    }
    const even = resKernels.find((kernel) => kernel % 2 === 0);
    if (even !== undefined) refuse(context, ['resKernels'], 'odd kernels', even);
  });

/**
 * Configuration of the discriminators that a codec is trained against; field names are those the native model reads.
 *
 * The defaults are the published sizes; their band edges are not public, these are those of the Descript Audio Codec.
 */
export const discriminatorConfig = z.strictObject({
  periods: z
    .array(z.int().min(1).max(1000))
    .default([2, 3, 5, 7, 11])
    .describe('Samples at which waveforms are folded.'),
  periodChannels: z
    .array(size)
    .min(1)
    .default([32, 128, 512, 1024, 1024])
    .describe('Of the layers over a folded waveform; all but the last stride by 3.'),
  windows: z
    .array(z.int().min(32).max(4096))
    .default([512, 1024])
    .describe('Samples of the spectrograms; the hop is a quarter.'),
  bandEdges: z
    .array(z.number().min(0).max(1))
    .default([0, 0.1, 0.25, 0.5, 0.75, 1])
    .describe('Of the bands of a spectrogram, ascending shares of its bins; each band has a network.'),
  bandChannels: size.default(32).describe('Of every layer over a band.'),
});

/** A complete configuration of the discriminators. */
export type DiscriminatorConfig = z.infer<typeof discriminatorConfig>;

/** A complete configuration of the codec. */
export type CodecConfig = z.infer<typeof codecConfig>;
