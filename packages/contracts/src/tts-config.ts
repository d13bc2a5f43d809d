import { z } from 'zod';
import { refuse, size } from './config.js';

const layers = z.int().min(1).max(1000);

const localTransformer = z.strictObject({
  layers: layers.default(2),
  heads: size.default(12),
  dModel: size
    .default(768)
    .describe('Width; where it differs from the decoder, an input projection stands between them.'),
  dFfn: size.default(3072),
  maxPositions: size.default(18).describe('Rows of its position table: at least codebooks * frameStacking.'),
});

/**
 * Configuration of the text-to-codes model; field names are those the native model reads.
 *
 * The defaults are the released multilingual model (21.5 frames/s codec, two frames a step) with its zero-shot context
 * encoder. A configuration for it is therefore `{}`.
 */
export const ttsConfig = z
  .strictObject({
    modelType: z
      .enum(['decoder_ce', 'decoder_context', 'multi_encoder'])
      .default('decoder_ce')
      .describe('How the voice prompt enters: encoded and prepended, prepended as it is, or by cross-attention.'),
    dModel: size.default(768).describe('Width of the encoders and the decoder.'),
    dFfn: size.default(3072).describe('Width inside the convolutional feed-forward.'),
    heads: size.default(12).describe('Self-attention heads; each is dModel / heads wide.'),
    encoderLayers: layers.default(6),
    contextLayers: z
      .int()
      .min(0)
      .max(1000)
      .default(1)
      .describe('Layers of the context encoder; 0 for decoder_context.'),
    decoderLayers: layers.default(12),
    encoderKernel: size.default(3).describe('Text tokens that a feed-forward convolution spans.'),
    contextKernel: size.default(3).describe('Odd: the context encoder pads symmetrically.'),
    decoderKernel: size.default(1),
    encoderCausal: z.boolean().default(true).describe('Whether the text encoder sees only earlier tokens.'),
    crossHeads: size.default(1),
    crossHeadDim: size.default(128).describe('Width of one cross-attention head, apart from dModel.'),
    transcriptDecoderLayers: layerList('multi_encoder only: decoder layers that attend to the text.'),
    contextDecoderLayers: layerList('multi_encoder only: decoder layers that attend to the voice prompt.'),
    applyNormToCond: z.boolean().default(true).describe('Whether cross-attention normalises its memory.'),
    codebooks: size.default(8).describe('K, codebooks of the codec.'),
    vocab: size.default(2024).describe('V, ids of one codebook, special ids included.'),
    frameStacking: size.default(2).describe('Codec frames that one decoder step predicts.'),
    bos: id(2016),
    eos: id(2017),
    contextBos: id(2018),
    contextEos: id(2019),
    mask: id(2020),
    textRows: z
      .int()
      .min(3)
      .max(10_000_000)
      .default(3359)
      .describe('Rows of the text embedding; the last is the text EOS.'),
    maxPositions: size.default(2048).describe('Rows of the position tables, in steps.'),
    maskConvention: z
      .enum(['outer', 'query', 'strict'])
      .default('outer')
      .describe(
        'outer: padded queries and keys are masked. query: padded queries only, as in models of the first era. strict: outer, and padding never enters a convolution.',
      ),
    localTransformer: localTransformer
      .nullable()
      .prefault({})
      .describe('Predicts the codebooks of a step one after another; null: all heads in parallel.'),
    dropout: z.number().min(0).lt(1).default(0.1),
    cfgDropout: z
      .number()
      .min(0)
      .max(1)
      .default(0.1)
      .describe('Probability that a batch trains without its conditions.'),
  })
  .superRefine((config, context) => {
    checkWidths(config, context);
    checkIds(config, context);
    checkConditioning(config, context);
  });

/** A complete configuration of the text-to-codes model. */
export type TtsConfig = z.infer<typeof ttsConfig>;

function id(value: number) {
  return z.int().min(0).default(value);
}

function layerList(description: string) {
  return z.array(z.int().min(0)).default([]).describe(description);
}

function checkWidths(config: TtsConfig, context: z.RefinementCtx): void {
  const { dModel, heads, encoderKernel, contextKernel, localTransformer: local } = config;
  if (dModel % heads !== 0) {
    refuse(context, ['heads'], `a divisor of dModel (${dModel})`, heads);
  }
  if (!config.encoderCausal && encoderKernel % 2 === 0) {
    refuse(context, ['encoderKernel'], 'an odd number, because the encoder is not causal', encoderKernel);
  }
  if (contextKernel % 2 === 0) refuse(context, ['contextKernel'], 'an odd number', contextKernel);
  if (!local) return;
  if (local.dModel % local.heads !== 0) {
    refuse(context, ['localTransformer', 'heads'], `a divisor of its dModel (${local.dModel})`, local.heads);
  }
  const steps = config.codebooks * config.frameStacking;
  if (local.maxPositions < steps) {
    const expected = `at least codebooks * frameStacking (${steps})`;
    refuse(context, ['localTransformer', 'maxPositions'], expected, local.maxPositions);
  }
}

function checkIds(config: TtsConfig, context: z.RefinementCtx): void {
  const seen = new Map<number, string>();
  for (const name of ['bos', 'eos', 'contextBos', 'contextEos', 'mask'] as const) {
    const value = config[name];
    const other = seen.get(value);
    if (value >= config.vocab) refuse(context, [name], `an id below vocab (${config.vocab})`, value);
    else if (other) refuse(context, [name], `an id of its own (${other} has ${value})`, value);
    seen.set(value, name);
  }
}

function checkConditioning(config: TtsConfig, context: z.RefinementCtx): void {
  const { modelType, contextLayers, decoderLayers, transcriptDecoderLayers, contextDecoderLayers } = config;
  if ((modelType === 'decoder_context') !== (contextLayers === 0)) {
    const expected =
      modelType === 'decoder_context' ? '0: decoder_context has no context encoder' : `at least 1 for ${modelType}`;
    refuse(context, ['contextLayers'], expected, contextLayers);
  }
  const attended = [...transcriptDecoderLayers, ...contextDecoderLayers].sort((a, b) => a - b);
  if (modelType !== 'multi_encoder') {
    const given = transcriptDecoderLayers.length > 0 ? 'transcriptDecoderLayers' : 'contextDecoderLayers';
    if (attended.length > 0) refuse(context, [given], `[] for ${modelType}, which has one memory`, config[given]);
  } else if (attended.length !== decoderLayers || attended.some((layer, i) => layer !== i)) {
    const expected = `with contextDecoderLayers, each of 0..${decoderLayers - 1} once`;
    refuse(context, ['transcriptDecoderLayers'], expected, [transcriptDecoderLayers, contextDecoderLayers]);
  }
}
