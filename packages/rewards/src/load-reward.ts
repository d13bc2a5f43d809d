import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { RewardError } from '@align2speak/contracts';
import { openJudge } from './judge.js';
import type { Reward } from './reward.js';

/** What a user's reward is made with. */
export interface RewardContext {
  /** Opens a judge's ONNX file, for the reward to close. */
  readonly openJudge: typeof openJudge;
  /** Hz, of the waveforms that will come. */
  readonly sampleRate: number;
}

/**
 * Loads a user's reward: a `.js` or `.mjs` module whose default export makes a `Reward` of a `RewardContext`.
 *
 * The module runs with all the rights of this process.
 * @param path of the file, from the working folder where it is relative
 * @throws RewardError, naming the file and the field, where the file cannot be imported, has no such export, fails, or
 * makes anything but a reward.
 */
export async function loadReward(path: string, { sampleRate }: { sampleRate: number }): Promise<Reward> {
  const refuse: Refuse = (what, expected, got, cause) => {
    throw new RewardError({ where: path, what, expected, got, cause });
  };
  if (!/\.m?js$/.test(path)) refuse('file', 'a name in .js or .mjs', path);
  const make = await importDefault(path, refuse);
  if (typeof make !== 'function') return refuse('default export', 'a function that makes a reward', typeof make);
  let made: unknown;
  try {
    made = await make({ openJudge, sampleRate } satisfies RewardContext);
  } catch (cause) {
    refuse('default export', 'a reward', messageOf(cause), cause);
  }
  checkReward(made, refuse);
  return made;
}

type Refuse = (what: string, expected: string, got: string, cause?: unknown) => never;

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

async function importDefault(path: string, refuse: Refuse): Promise<unknown> {
  try {
    const module = await import(pathToFileURL(resolve(path)).href);
    return module.default;
  } catch (cause) {
    return refuse('file', 'a module that can be imported', messageOf(cause), cause);
  }
}

function checkReward(made: unknown, refuse: Refuse): asserts made is Reward {
  if (typeof made !== 'object' || made === null) return refuse('reward', 'an object', String(made));
  const { name, direction, range, score, locates, docs, close } = made as Record<string, unknown>;
  if (typeof name !== 'string' || !/^[\w-]+$/.test(name)) refuse('name', 'letters, digits, _ and -', shown(name));
  if (direction !== 'higher' && direction !== 'lower') refuse('direction', "'higher' or 'lower'", shown(direction));
  const [least, most, ...more] = Array.isArray(range) ? range : [];
  if (!Number.isFinite(least) || !Number.isFinite(most) || least >= most || more.length > 0)
    refuse('range', 'two numbers, the least and a greater one', shown(range));
  if (typeof score !== 'function') refuse('score', 'a function', shown(score));
  if (locates !== undefined && typeof locates !== 'boolean')
    refuse('locates', 'true, false or nothing', shown(locates));
  if (docs !== undefined && typeof docs !== 'string') refuse('docs', 'a text or nothing', shown(docs));
  if (close !== undefined && typeof close !== 'function') refuse('close', 'a function or nothing', shown(close));
}

const shown = (value: unknown) => JSON.stringify(value) ?? typeof value;
