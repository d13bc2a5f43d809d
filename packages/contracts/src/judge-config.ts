import { z } from 'zod';
import { refuse, size } from './config.js';

const head = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('ctc').describe('Says which labels are spoken.'),
    labels: z.int().min(2).max(1_000_000).describe('V, symbols and the blank, which is label 0.'),
  }),
  z.strictObject({
    kind: z.literal('speaker').describe('Says who speaks, as a unit vector.'),
    dim: size.describe('Width of an embedding.'),
    speakers: z.int().min(2).max(1_000_000).describe('Speakers of the training data.'),
    scale: z.number().gt(0).max(1e4).default(16).describe('Of the cosines in the loss: an inverse temperature.'),
    margin: z.number().min(0).max(2).default(0.15).describe('By which the cosine with the right speaker has to win.'),
  }),
  z.strictObject({ kind: z.literal('quality').describe('Says how good it sounds, as one number.') }),
]);

/**
 * Configuration of a judge of speech; field names are those the native model reads.
 *
 * One step of the network is `hopLength * frameStack` samples; it sees `kernel` steps, `dilation` apart, in each block.
 */
export const judgeConfig = z
  .strictObject({
    sampleRate: z.int().min(100).max(1_000_000).default(22_050).describe('Hz.'),
    nFft: z.int().min(4).max(65_536).default(1024).describe('Samples a spectrum: even, factors 2, 3 and 5 only.'),
    hopLength: z.int().min(1).max(65_536).default(256).describe('Samples from one mel frame to the next.'),
    nMels: z.int().min(1).max(4096).default(80).describe('Mel filters between 0 Hz and half the sample rate.'),
    frameStack: z.int().min(1).max(64).default(2).describe('Mel frames that one step of the network takes.'),
    channels: size.default(160).describe('C, width of the network.'),
    kernel: z.int().min(1).max(1000).default(5).describe('Steps that a convolution spans: odd.'),
    dilations: z
      .array(z.int().min(1).max(4096))
      .min(1)
      .max(1000)
      .default([1, 2, 4, 1, 2, 4])
      .describe('Steps between the taps of each block; there are as many blocks.'),
    dropout: z.number().min(0).lt(1).default(0.1).describe('Of the blocks, while training.'),
    head,
  })
  .superRefine(({ nFft, hopLength, kernel }, context) => {
    const rest = [2, 3, 5].reduce((left, factor) => {
      while (left % factor === 0) left /= factor;
      return left;
    }, nFft);
    if (nFft % 2 !== 0 || rest !== 1) refuse(context, ['nFft'], 'an even number without prime factors above 5', nFft);
    if (hopLength > nFft) refuse(context, ['hopLength'], `at most nFft (${nFft})`, hopLength);
    if (kernel % 2 === 0) refuse(context, ['kernel'], 'an odd number', kernel);
  });

/** A complete configuration of a judge. */
export type JudgeConfig = z.infer<typeof judgeConfig>;
