import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { CheckpointError, DataError, parseConfig } from '@align2speak/contracts';
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
 * @throws CheckpointError where writing fails.
 */
export async function writeModelFolder(
  folder: string,
  tensors: NamedTensors,
  { storage = 'F32', ...card }: ModelCard & { storage?: 'F32' | 'F16' },
): Promise<void> {
  const temporary = join(dirname(folder), `.${basename(folder)}.${randomBytes(6).toString('hex')}.tmp`);
  await mkdir(temporary, { recursive: true });
  try {
    await writeSafetensors(join(temporary, 'weights.safetensors'), await tensorsToWrite(tensors, storage));
    await writeFlushed(join(temporary, 'model.json'), `${JSON.stringify(card, null, 2)}\n`);
    await replaceFolder(temporary, folder);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
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
  if (model.kind !== kind)
    throw new CheckpointError({ where: path, what: 'kind', expected: kind, got: String(model.kind) });
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

/** Native tensors as {@link writeSafetensors} takes them. @throws DataError on a value that is not finite. */
export async function tensorsToWrite(tensors: NamedTensors, storage: 'F32' | 'F16' = 'F32'): Promise<TensorToWrite[]> {
  const list: TensorToWrite[] = [];
  for (const [name, tensor] of Object.entries(tensors)) {
    const data = await tensor.toArray();
    const { shape } = tensor;
    if (data instanceof Int32Array) {
      list.push({ name, dtype: 'I32', shape, data });
      continue;
    }
    const bad = data.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0)
      throw new DataError({ where: name, what: `element ${bad}`, expected: 'a finite weight', got: String(data[bad]) });
    list.push({ name, dtype: storage, shape, data: floatBytes(data, storage) });
  }
  return list;
}

/** Writes a text file and waits until it has reached the disk. */
export async function writeFlushed(path: string, text: string): Promise<void> {
  const handle = await open(path, 'w');
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Moves a finished folder into place; an older one of that name goes away only once the new one is complete. */
export async function replaceFolder(finished: string, folder: string): Promise<void> {
  const old = `${finished}.old`;
  await rename(folder, old).catch((error) => {
    if (error.code !== 'ENOENT') throw error;
  });
  await rename(finished, folder);
  await rm(old, { recursive: true, force: true });
}
