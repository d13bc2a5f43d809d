import { CheckpointError } from '@align2speak/contracts';
import { runCodec } from './golden-codec.js';
import { GoldenFolder } from './golden-folder.js';
import type { GoldenReport } from './golden-report.js';
import { runTts } from './golden-tts.js';

/**
 * Runs what a folder records (README.json, weights, io and grads in safetensors) through the public API.
 *
 * The kind of model is told by its weights: a codec has `vector_quantizer.*`, a text-to-codes model `text_embedding.weight`.
 *
 * @throws DataError, CheckpointError or ConfigError where the folder cannot be read or describes no such model.
 */
export async function compareFolder(path: string, dtype: 'f32' | 'f64'): Promise<GoldenReport> {
  const folder = await GoldenFolder.open(path, dtype);
  try {
    const names = [...folder.weights.tensors.keys()];
    if (names.some((name) => name.startsWith('vector_quantizer.'))) await runCodec(folder);
    else if (names.includes('text_embedding.weight')) await runTts(folder);
    else {
      const expected = 'the weights of a codec or of a text-to-codes model';
      throw new CheckpointError({ where: path, what: 'weights.safetensors', expected, got: 'neither' });
    }
    return folder.report();
  } finally {
    await folder.close();
  }
}
