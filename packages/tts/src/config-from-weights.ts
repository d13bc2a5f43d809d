import { CheckpointError, parseConfig, type TtsConfig, ttsConfig } from '@align2speak/contracts';

/** Names and shapes of the tensors in a weights file. */
export type TensorShapes = ReadonlyMap<string, { readonly shape: readonly number[] }>;

/** What shapes do not say: head counts, masks and causality, and the special ids where they are not the released ones. */
export type TtsHints = Partial<TtsConfig>;

/**
 * The configuration of published weights, every dimension read from tensor shapes.
 *
 * @param tensors names and shapes, by the published names
 * @param hints fields that shapes cannot tell; one that contradicts a shape is refused
 * @param where file or folder, named by errors
 * @throws CheckpointError when a tensor that every model has is missing, ConfigError when the parts do not fit
 * @see the state dict of NVIDIA's Magpie-TTS, whose names these are
 */
export function ttsConfigFromWeights(tensors: TensorShapes, hints: TtsHints, where: string): TtsConfig {
  const shape = (name: string) => {
    const tensor = tensors.get(name);
    if (tensor) return tensor.shape;
    throw new CheckpointError({ where, what: name, expected: 'a tensor of this name', got: 'none' });
  };
  const dim = (name: string, axis: number) => shape(name)[axis]!;
  const layers = (stack: string) => countWhile((i) => tensors.has(`${stack}.layers.${i}.norm_self.weight`));
  const contextLayers = layers('context_encoder');
  const decoderLayers = layers('decoder');
  const tables = countWhile((i) => tensors.has(`audio_embeddings.${i}.weight`));
  const frameStacking = hints.frameStacking ?? (tables % 8 === 0 ? tables / 8 : 1);
  const crossWidth = dim('decoder.layers.0.cross_attention.q_net.weight', 0);
  const crossHeads = hints.crossHeads ?? 1;

  const fromShapes: TtsHints = {
    dModel: dim('text_embedding.weight', 1),
    textRows: dim('text_embedding.weight', 0),
    dFfn: dim('decoder.layers.0.pos_ff.proj.conv.weight', 0),
    encoderLayers: layers('encoder'),
    contextLayers,
    decoderLayers,
    encoderKernel: dim('encoder.layers.0.pos_ff.proj.conv.weight', 2),
    decoderKernel: dim('decoder.layers.0.pos_ff.proj.conv.weight', 2),
    ...(contextLayers > 0 && { contextKernel: dim('context_encoder.layers.0.pos_ff.proj.conv.weight', 2) }),
    crossHeadDim: crossWidth / crossHeads,
    codebooks: tables / frameStacking,
    vocab: dim('audio_embeddings.0.weight', 0),
    maxPositions: dim('decoder.position_embeddings.weight', 0),
    localTransformer: localTransformerOf(tensors, hints, dim),
  };
  for (const [name, value] of Object.entries(fromShapes)) {
    const hint = hints[name as keyof TtsConfig];
    if (hint === undefined || name === 'localTransformer' || hint === value) continue;
    throw new CheckpointError({
      where,
      what: name,
      expected: `${String(hint)}, as the configuration says`,
      got: `${String(value)} in the shapes`,
    });
  }
  const modelType = hints.modelType ?? (contextLayers > 0 ? 'decoder_ce' : 'decoder_context');
  return parseConfig(
    ttsConfig,
    { ...specialIds(fromShapes.vocab!), modelType, frameStacking, crossHeads, ...hints, ...fromShapes },
    where,
  );
}

function localTransformerOf(tensors: TensorShapes, hints: TtsHints, dim: (name: string, axis: number) => number) {
  if (!tensors.has('local_transformer.position_embeddings.weight')) return null;
  return {
    layers: countWhile((i) => tensors.has(`local_transformer.layers.${i}.norm_self.weight`)),
    heads: hints.localTransformer?.heads ?? 1,
    dModel: dim('local_transformer.position_embeddings.weight', 1),
    dFfn: dim('local_transformer.layers.0.pos_ff.proj.conv.weight', 0),
    maxPositions: dim('local_transformer.position_embeddings.weight', 0),
  };
}

/** Released models put five special ids and three reserves at the end of the table. */
function specialIds(vocab: number) {
  const codes = vocab - 8;
  return { bos: codes, eos: codes + 1, contextBos: codes + 2, contextEos: codes + 3, mask: codes + 4 };
}

function countWhile(exists: (index: number) => boolean): number {
  let count = 0;
  while (exists(count)) count++;
  return count;
}
