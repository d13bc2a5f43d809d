import { codecConfigFromWeights } from '@align2speak/codec';
import { type CodecConfig, DataError } from '@align2speak/contracts';
import { Codec } from '@align2speak/native';
import { z } from 'zod';
import type { GoldenFolder } from './golden-folder.js';

/** Encoder, codes, decoder, and the gradients of the mean squared error. */
export async function runCodec(folder: GoldenFolder): Promise<void> {
  const config = codecConfigFromWeights(folder.weights.tensors, await hintsOf(folder), folder.path);
  const codec = await Codec.create(config, { dtype: folder.dtype, seed: null });
  await codec.load(await folder.weightTensors());
  const wav = await folder.floats('in.audio');
  const samples = await folder.ints('in.audio_len');
  const parts = await codec.lossBackward({ wav, samples }, { waveform: 1 });

  const frames = await parts.frames.toArray();
  const hop = config.upSampleRates.reduce((product, rate) => product * rate, 1);
  await folder.output('latent', parts.latent);
  await folder.codes('frames', frames);
  await folder.codes('codes', codebookFirst(await parts.codes.toArray(), parts.codes.shape));
  await folder.output('dequantized', parts.dequantized);
  await folder.output('wav', parts.wav);
  await folder.codes(
    'wav_len',
    frames.map((count) => count * hop),
  );
  await folder.output('loss', [parts.loss]);
  await folder.gradients('grad.', await codec.gradients());
  codec.dispose();
}

async function hintsOf(folder: GoldenFolder): Promise<Partial<CodecConfig>> {
  const where = `${folder.path}/README.json`;
  const sampleRate = z.int().optional().safeParse(folder.readme.sample_rate);
  if (!sampleRate.success)
    throw new DataError({ where, what: 'sample_rate', expected: 'Hz', got: String(folder.readme.sample_rate) });
  const levels = Array.from(await folder.weights.int32('vector_quantizer.fsqs.0.num_levels'));
  return { levels, ...(sampleRate.data && { sampleRate: sampleRate.data }) };
}

/** `[B, K, T]` as `[K, B, T]`. */
function codebookFirst(codes: ArrayLike<number>, shape: readonly number[]): Int32Array {
  const [items, codebooks, frames] = shape as [number, number, number];
  return Int32Array.from({ length: codes.length }, (_, i) => {
    const [k, b, t] = [Math.floor(i / (items * frames)), Math.floor(i / frames) % items, i % frames];
    return codes[(b * codebooks + k) * frames + t]!;
  });
}
