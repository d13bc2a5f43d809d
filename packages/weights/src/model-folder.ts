import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError, DataError, parseConfig, writeFolder, writeWhole } from '@align2speak/contracts';
import { type NamedTensors, Tensor } from '@align2speak/native';
import type { z } from 'zod';
import { floatBytes } from './dtypes.js';
import { openSafetensors, type TensorToWrite, writeSafetensors } from './safetensors.js';

/** What a model folder says beside its weights. */
export interface ModelCard {
  /** `codec`, `tts` or `judge`. */
  kind: string;
  config: unknown;
  /** The command that made it and what was measured of it. */
  card?: Record<string, unknown> | undefined;
}

/**
 * Writes a model as a folder of `model.json` and `weights.safetensors`: whole, or not at all.
 *
 * @param storage precision in the file; F16 halves it and rounds each weight to 11 bits
 * @throws CheckpointError where writing fails; DataError on a weight that the storage cannot hold.
 */
export async function writeModelFolder(
  folder: string,
  tensors: NamedTensors,
  { storage = 'F32', ...card }: ModelCard & { storage?: 'F32' | 'F16' },
): Promise<void> {
  await writeFolder(
    folder,
    async (temporary) => {
      await writeSafetensors(join(temporary, 'weights.safetensors'), await tensorsToWrite(tensors, storage));
      await writeWhole(join(temporary, 'model.json'), `${JSON.stringify(card, null, 2)}\n`, CheckpointError);
    },
    CheckpointError,
  );
}

/**
 * Reads a model folder.
 *
 * @throws CheckpointError when a file is missing, damaged or of another kind of model; ConfigError when its configuration cannot be.
 */
export async function readModelFolder<S extends z.ZodType>(
  folder: string,
  kind: string,
  schema: S,
): Promise<{ config: z.output<S>; card: Record<string, unknown>; tensors: NamedTensors }> {
  const path = join(folder, 'model.json');
  const text = await readFile(path, 'utf8').catch((cause) => {
    const hint = `expected a folder with model.json and weights.safetensors at ${folder}`;
    throw new CheckpointError({ where: path, what: 'file', expected: 'a model', got: cause.code, hint, cause });
  });
  let model: ModelCard;
  try {
    model = JSON.parse(text);
  } catch (cause) {
    throw new CheckpointError({ where: path, what: 'file', expected: 'JSON', got: String(cause), cause });
  }
  if (model?.kind !== kind)
    throw new CheckpointError({ where: path, what: 'kind', expected: kind, got: String(model?.kind) });
  const config = parseConfig(schema, model.config, path);
  return { config, card: model.card ?? {}, tensors: await readTensors(join(folder, 'weights.safetensors')) };
}

/** All tensors of a safetensors file, floating point as f32. @throws CheckpointError as openSafetensors. */
export async function readTensors(path: string): Promise<NamedTensors> {
  const file = await openSafetensors(path);
  try {
    const tensors: Record<string, Tensor> = {};
    for (const [name, { dtype, shape }] of file.tensors)
      tensors[name] = await Tensor.from(dtype === 'I32' ? await file.int32(name) : await file.float32(name), shape);
    return tensors;
  } finally {
    await file.close();
  }
}

/** Native tensors as {@link writeSafetensors} takes them. @throws DataError on a value that the storage cannot hold. */
export async function tensorsToWrite(tensors: NamedTensors, storage: 'F32' | 'F16' = 'F32'): Promise<TensorToWrite[]> {
  const list: TensorToWrite[] = [];
  for (const [name, tensor] of Object.entries(tensors)) {
    const data = await tensor.toArray();
    const { shape } = tensor;
    if (data instanceof Int32Array) {
      list.push({ name, dtype: 'I32', shape, data });
      continue;
    }
    // From 65520 on, F16 rounds to infinity.
    const limit = storage === 'F16' ? 65520 : Number.POSITIVE_INFINITY;
    const bad = data.findIndex((value) => !(Math.abs(value) < limit));
    if (bad >= 0) {
      const expected = `a weight that ${storage} can hold`;
      throw new DataError({ where: name, what: `element ${bad}`, expected, got: String(data[bad]) });
    }
    list.push({ name, dtype: storage, shape, data: floatBytes(data, storage) });
  }
  return list;
}
