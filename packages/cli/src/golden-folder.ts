import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError, DataError } from '@align2speak/contracts';
import { Tensor } from '@align2speak/native';
import { openSafetensors, type WeightsFile } from '@align2speak/weights';
import { z } from 'zod';
import { type Comparison, type GoldenReport, relativeError } from './golden-report.js';

const tolerances = { forward: 1e-5, gradient: 1e-4, codes: 0 };

/** An open folder of golden tensors, and what of it has been used. */
export class GoldenFolder {
  readonly path: string;
  readonly readme: Readonly<Record<string, unknown>>;
  readonly weights: WeightsFile;
  readonly dtype: 'f32' | 'f64';
  readonly comparisons: Comparison[] = [];
  readonly #io: WeightsFile;
  readonly #grads: WeightsFile;
  readonly #used = new Set<string>();

  private constructor(
    path: string,
    dtype: 'f32' | 'f64',
    parts: { readme: Record<string, unknown>; files: WeightsFile[] },
  ) {
    this.path = path;
    this.dtype = dtype;
    this.readme = parts.readme;
    [this.weights, this.#io, this.#grads] = parts.files as [WeightsFile, WeightsFile, WeightsFile];
  }

  /** @throws DataError or CheckpointError naming the file that is missing or damaged. */
  static async open(path: string, dtype: 'f32' | 'f64'): Promise<GoldenFolder> {
    const readme = await readReadme(join(path, 'README.json'));
    const files: WeightsFile[] = [];
    try {
      for (const name of ['weights', 'io', 'grads']) {
        files.push(await openSafetensors(join(path, `${name}.safetensors`)));
      }
    } catch (error) {
      await Promise.all(files.map((file) => file.close()));
      throw error;
    }
    return new GoldenFolder(path, dtype, { readme, files });
  }

  has(name: string): boolean {
    return this.#io.tensors.has(name);
  }

  shape(name: string): readonly number[] {
    const info = this.#io.tensors.get(name);
    if (info) return info.shape;
    throw new CheckpointError({ where: this.path, what: name, expected: 'a tensor of this name', got: 'none' });
  }

  /** An integer input as a native tensor. */
  async ints(name: string): Promise<Tensor> {
    const shape = this.shape(name);
    this.#used.add(name);
    return Tensor.from(await this.#io.int32(name), shape);
  }

  /** A floating-point input as a native tensor in the precision of the run. */
  async floats(name: string): Promise<Tensor> {
    const shape = this.shape(name);
    this.#used.add(name);
    return Tensor.from(this.dtype === 'f32' ? await this.#io.float32(name) : await this.#io.float64(name), shape);
  }

  /** The weights as native tensors, for Model.load. */
  async weightTensors(): Promise<Record<string, Tensor>> {
    const tensors: Record<string, Tensor> = {};
    for (const [name, { dtype, shape }] of this.weights.tensors) {
      const array = dtype.startsWith('I') ? await this.weights.int32(name) : await this.weights.float64(name);
      tensors[name] = await Tensor.from(array, shape);
    }
    return tensors;
  }

  /** Compares an output with `out.<name>`, where the folder has one. */
  async output(name: string, ours: Tensor | ArrayLike<number>): Promise<void> {
    if (!this.has(`out.${name}`)) return;
    await this.#compare(this.#io, `out.${name}`, { ours, tolerance: tolerances.forward });
  }

  /** Compares codes: not one may differ. */
  async codes(name: string, ours: Tensor | ArrayLike<number>): Promise<void> {
    if (!this.has(`out.${name}`)) return;
    await this.#compare(this.#io, `out.${name}`, { ours, tolerance: tolerances.codes });
  }

  /** Whether gradients named `<prefix><parameter>` exist. */
  hasGradients(prefix: string): boolean {
    return [...this.#grads.tensors.keys()].some((name) => name.startsWith(prefix));
  }

  /** Compares each gradient that the folder has under `<prefix><parameter>`. */
  async gradients(prefix: string, ours: Readonly<Record<string, Tensor | ArrayLike<number>>>): Promise<void> {
    for (const name of this.#grads.tensors.keys()) {
      const gradient = name.startsWith(prefix) ? ours[name.slice(prefix.length)] : undefined;
      if (gradient) await this.#compare(this.#grads, name, { ours: gradient, tolerance: tolerances.gradient });
    }
  }

  /** What was compared, and what nothing used. */
  report(): GoldenReport {
    const all = [...this.#io.tensors.keys(), ...this.#grads.tensors.keys()];
    const unknown = all.filter((name) => !this.#used.has(name));
    return { folder: this.path, comparisons: this.comparisons, unknown };
  }

  async close(): Promise<void> {
    await Promise.all([this.weights, this.#io, this.#grads].map((file) => file.close()));
  }

  async #compare(
    file: WeightsFile,
    name: string,
    { ours, tolerance }: { ours: Tensor | ArrayLike<number>; tolerance: number },
  ) {
    const array = ours instanceof Tensor ? await ours.toArray() : ours;
    this.#used.add(name);
    this.comparisons.push({ name, error: relativeError(array, await file.float64(name)), tolerance });
  }
}

async function readReadme(path: string): Promise<Record<string, unknown>> {
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (cause) {
    throw new DataError({
      where: path,
      what: 'file',
      expected: 'a JSON object',
      got: (cause as Error).message.split('\n')[0]!,
      cause,
    });
  }
}
