import { readFile } from 'node:fs/promises';
import { ConfigError, parseConfig } from '@align2speak/contracts';
import { parse } from 'yaml';
import { z } from 'zod';

/** What every stage has: how its weights move, and how often it looks up. */
export const loopFields = {
  seed: z.int().min(0).default(1).describe('Decides every random choice of the run.'),
  threads: z.int().min(0).max(1024).default(0).describe('Compute threads; 0: one a CPU.'),
  steps: z.int().min(1).describe('Updates.'),
  lr: z.number().positive().describe('Highest learning rate.'),
  warmupSteps: z.int().min(0).default(0).describe('Updates over which the rate rises from 0.'),
  decay: z.enum(['constant', 'linear', 'cosine']).default('cosine').describe('How the rate falls after that.'),
  lrFinal: z.number().min(0).max(1).default(0.03).describe('Share of lr that is left at the last update.'),
  beta1: z.number().min(0).lt(1).default(0.9),
  beta2: z.number().min(0).lt(1).default(0.98),
  weightDecay: z.number().min(0).default(0),
  clipNorm: z.number().min(0).default(1).describe('Longer gradients are scaled to this norm; 0: never.'),
  logEvery: z.int().min(1).default(10).describe('Updates between lines of metrics.jsonl.'),
  validateEvery: z.int().min(0).default(0).describe('Updates between validations; 0: only at the end.'),
  checkpointEvery: z.int().min(0).default(200).describe('Updates between checkpoints; 0: only at the end.'),
};

/** How a text-to-codes model computes, for loadTts. */
export const arithmeticFields = {
  bf16: z
    .boolean()
    .default(false)
    .describe('Matrix products in bfloat16, sums and weights in f32: faster where the processor has such products.'),
};

/** A disturbance of training that begins at some update. */
export const shareFrom = z
  .strictObject({
    share: z.number().min(0).max(1).default(0).describe('Each item draws its own share up to this.'),
    from: z.int().min(0).default(0).describe('First update.'),
  })
  .prefault({});

/** The share at an update. */
export const shareAt = ({ share, from }: z.infer<typeof shareFrom>, step: number) => (step < from ? 0 : share);

/** Settings of the loop itself. */
export type LoopConfig = z.infer<z.ZodObject<typeof loopFields>>;

/** The learning rate of update `step` (0 is the first). */
export function learningRate({ lr, warmupSteps, decay, lrFinal, steps }: LoopConfig, step: number): number {
  if (step < warmupSteps) return (lr * (step + 1)) / warmupSteps;
  const way = (step - warmupSteps) / Math.max(1, steps - warmupSteps);
  const left = decay === 'constant' ? 1 : decay === 'linear' ? 1 - way : (1 + Math.cos(Math.PI * way)) / 2;
  return lr * (lrFinal + (1 - lrFinal) * left);
}

/**
 * The configuration of a stage: a YAML file, then `a.b=value` settings over it, then the schema's checks and defaults.
 *
 * @param settings each `path.to.field=value`, or `path.to.list+=value` for one more entry; an entry of a list is called by its
 * number, its `name`, or else its `use`; the value is read as YAML
 * @throws ConfigError naming file or setting, field, and what was expected.
 */
export async function loadConfig<S extends z.ZodType>(
  schema: S,
  file: string | undefined,
  settings: readonly string[] = [],
): Promise<z.output<S>> {
  const config = file === undefined ? {} : await readYaml(file);
  for (const setting of settings) {
    const at = setting.indexOf('=');
    if (at < 1) throw new ConfigError({ where: '--set', what: setting, expected: 'path.to.field=value', got: 'no =' });
    const where = `--set ${setting}`;
    const append = setting[at - 1] === '+';
    const path = setting.slice(0, append ? at - 1 : at).split('.');
    assign(config, path, { value: parseYaml(setting.slice(at + 1), where), append, where });
  }
  return parseConfig(schema, config, file ?? '--set');
}

async function readYaml(file: string): Promise<Record<string, unknown>> {
  const text = await readFile(file, 'utf8').catch((cause) => {
    throw new ConfigError({ where: file, what: 'file', expected: 'a YAML file', got: cause.code, cause });
  });
  const value = parseYaml(text, file) ?? {};
  if (typeof value !== 'object' || Array.isArray(value))
    throw new ConfigError({
      where: file,
      what: 'file',
      expected: 'fields',
      got: Array.isArray(value) ? 'a list' : typeof value,
    });
  return value as Record<string, unknown>;
}

function parseYaml(text: string, where: string): unknown {
  try {
    return parse(text);
  } catch (cause) {
    const got = (cause as Error).message.split('\n')[0]!;
    throw new ConfigError({ where, what: 'YAML', expected: 'valid syntax', got, cause });
  }
}

interface Assignment {
  value: unknown;
  /** The value is one more entry of the list at the path. */
  append: boolean;
  where: string;
}

/** Puts a value at a path of fields and entries of lists. */
function assign(config: object, path: string[], assignment: Assignment): void {
  const { value, append, where } = assignment;
  const [key, ...rest] = path as [string, ...string[]];
  const first = Array.isArray(config) ? placeOf(key, config, where) : key;
  if (first === '' || first === '__proto__')
    throw new ConfigError({ where, what: first || 'path', expected: "a field's name", got: first || 'nothing' });
  const fields = config as Record<string, unknown>;
  const inner = Object.hasOwn(fields, first) ? fields[first] : undefined;
  if (rest.length === 0) {
    if (append && inner !== undefined && !Array.isArray(inner))
      throw new ConfigError({ where, what: first, expected: 'a list, for +=', got: typeof inner });
    fields[first] = append ? [...((inner as unknown[] | undefined) ?? []), value] : value;
    return;
  }
  const next = typeof inner === 'object' && inner !== null ? inner : {};
  fields[first] = next;
  assign(next, rest, assignment);
}

/** Where an entry of a list is: its number says it, or its `name`, or what it uses where it has no name. */
function placeOf(key: string, list: readonly unknown[], where: string): string {
  if (/^\d+$/.test(key)) return key;
  const names = list.map((entry) => {
    const { name, use } = Object(entry) as { name?: unknown; use?: unknown };
    return name ?? use;
  });
  const place = names.indexOf(key);
  if (place >= 0) return String(place);
  const known = names.filter((name) => name !== undefined);
  const expected = `a number, the place in the list${known.length > 0 ? `, or ${known.join(', ')}` : ''}`;
  throw new ConfigError({ where, what: key, expected, got: key });
}
