// The text-to-codes models that train-step and decode measure, and the arithmetic that they need.

/** Decoders over one stream of 2048 tokens with a text of 16 bytes beside it: most of the work is the decoder's. */
const decoder = (layers, dModel, heads) => ({
  modelType: 'decoder_context',
  dModel,
  dFfn: 4 * dModel,
  heads,
  encoderLayers: 1,
  contextLayers: 0,
  decoderLayers: layers,
  encoderKernel: 1,
  contextKernel: 1,
  crossHeadDim: 64,
  codebooks: 1,
  vocab: 2056,
  bos: 2048,
  eos: 2049,
  contextBos: 2050,
  contextEos: 2051,
  mask: 2052,
  frameStacking: 1,
  textRows: 257,
  maxPositions: 512,
  localTransformer: null,
});
const decoderBatch = { samples: 8, text: 16, context: 1, frames: 252 };

/** A model of 3.3 million weights with encoders of its own, eight codebooks of 125 codes. */
const tiny = {
  modelType: 'decoder_ce',
  dModel: 128,
  dFfn: 512,
  heads: 4,
  encoderLayers: 3,
  contextLayers: 1,
  decoderLayers: 4,
  encoderKernel: 3,
  contextKernel: 3,
  crossHeadDim: 64,
  codebooks: 8,
  vocab: 130,
  bos: 125,
  eos: 126,
  contextBos: 127,
  contextEos: 128,
  mask: 129,
  frameStacking: 1,
  textRows: 257,
  maxPositions: 512,
  localTransformer: null,
};

export const models = [
  { name: 'tiny TTS', config: tiny, batch: { samples: 48, text: 48, context: 20, frames: 31 } },
  { name: '4 layers, d=128', config: decoder(4, 128, 4), batch: decoderBatch },
  { name: '6 layers, d=256', config: decoder(6, 256, 4), batch: decoderBatch },
  { name: '6 layers, d=384', config: decoder(6, 384, 6), batch: decoderBatch },
];

/** Weights that every row of a layer is multiplied with: attention to itself, to the text, feed-forward. */
function layerWeights(c, kernel, cross) {
  return 4 * c.dModel ** 2 + (cross ? 2 * c.dModel * c.crossHeadDim : 0) + 2 * c.dModel * c.dFfn * kernel;
}

/** FLOPs of the products and of attention in a forward pass over a batch. */
export function forwardFlops(c, { samples, text, context, frames }) {
  const contextRows = context + 2;
  const rows = contextRows + frames + 1;
  const attention = (queries, keys, width) => 4 * queries * keys * width;
  const encoder =
    c.encoderLayers * (2 * text * layerWeights(c, c.encoderKernel, false) + attention(text, text / 2, c.dModel));
  const voice =
    c.contextLayers *
    (2 * contextRows * layerWeights(c, c.contextKernel, false) + attention(contextRows, contextRows, c.dModel));
  const decoder =
    c.decoderLayers *
    (2 * rows * layerWeights(c, 1, true) +
      4 * text * c.dModel * c.crossHeadDim +
      attention(rows, rows / 2, c.dModel) +
      attention(rows, text, c.crossHeadDim));
  const heads = 2 * (frames + 1) * c.dModel * c.codebooks * c.vocab;
  return samples * (encoder + voice + decoder + heads);
}

/** FLOPs of decoder and heads, and bytes of their weights and caches, in one step of `samples` at position `length`. */
export function stepWork(c, { samples, text }, length) {
  const weights = c.decoderLayers * layerWeights(c, 1, true) + c.dModel * c.codebooks * c.vocab;
  const attended = c.decoderLayers * (samples * 2 * length * c.dModel + 2 * text * c.crossHeadDim);
  const attention = c.decoderLayers * 4 * samples * (length * c.dModel + text * c.crossHeadDim);
  return { flops: 2 * samples * weights + attention, bytes: 4 * (weights + attended) };
}
