import { parseConfig, type TtsConfig, ttsConfig } from '@align2speak/contracts';
import { Tensor, type TtsBatch } from '@align2speak/native';

const tiny = {
  dModel: 32,
  dFfn: 48,
  heads: 2,
  encoderLayers: 1,
  decoderLayers: 2,
  crossHeads: 1,
  crossHeadDim: 16,
  codebooks: 3,
  vocab: 24,
  frameStacking: 2,
  bos: 16,
  eos: 17,
  contextBos: 18,
  contextEos: 19,
  mask: 20,
  textRows: 30,
  maxPositions: 64,
  localTransformer: { layers: 1, heads: 2, dModel: 16, dFfn: 32, maxPositions: 8 },
  dropout: 0.1,
  cfgDropout: 0,
};

export const tinyConfig = (changes: object = {}): TtsConfig => parseConfig(ttsConfig, { ...tiny, ...changes }, 'test');

export const ints = (values: Iterable<number>, shape: number[]) => Tensor.from(Int32Array.from(values), shape);
const numbers = (count: number, below: number, step: number) =>
  Array.from({ length: count }, (_, i) => (i * step) % below);

/** P prompts of 5 tokens and 6 frames, `group` samples each, of `frames` frames and the last ones shorter. */
export async function batchOf(config: TtsConfig, { prompts = 2, group = 1, frames = 9 } = {}): Promise<TtsBatch> {
  const { codebooks: K, textRows, bos } = config;
  const [N, contextFrames, B] = [5, 6, prompts * group];
  const text = numbers(prompts * N, textRows - 1, 7).map((id, i) => (i % N === N - 1 ? textRows - 1 : id));
  return {
    text: await ints(text, [prompts, N]),
    textLengths: await ints(Array(prompts).fill(N), [prompts]),
    contextCodes: await ints(numbers(prompts * K * contextFrames, bos, 5), [prompts, K, contextFrames]),
    contextLengths: await ints(
      numbers(prompts, 3, 1).map((less) => contextFrames - less),
      [prompts],
    ),
    codes: await ints(numbers(B * K * frames, bos, 11), [B, K, frames]),
    codeLengths: await ints(
      numbers(B, 4, 1).map((less) => frames - less),
      [B],
    ),
    group,
  };
}
