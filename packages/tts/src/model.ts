import { type Codes, stackCodes, ttsConfig, unstackCodes } from '@align2speak/contracts';
import { type GenerateSettings, Tensor, Tts, type TtsBatch, type TtsPrompts } from '@align2speak/native';
import { leadTokens } from '@align2speak/text';
import { readModelFolder } from '@align2speak/weights';

/** What is to be said, and in whose voice. */
export interface Prompt {
  /** As `encodeIpa` of @align2speak/text returns them. */
  tokens: Int32Array;
  /** Codes of some other speech of the voice. */
  voice: Codes;
}

/** One sample of a prompt. */
export interface Sample {
  codes: Codes;
  /** Whether it ran into the longest length without an end. */
  truncated: boolean;
}

/**
 * A text-to-codes model from its model folder.
 *
 * @param bf16 As Tts.create has it.
 * @throws CheckpointError or ConfigError naming what is wrong with it.
 */
export async function loadTts(folder: string, { bf16 = false } = {}): Promise<Tts> {
  const { config, tensors } = await readModelFolder(folder, 'tts', ttsConfig);
  const model = await Tts.create(config, { seed: null, bf16 });
  await model.load(tensors);
  return model;
}

/** Prompts as tensors, padded to the longest of each. */
export async function promptTensors(prompts: readonly Prompt[]): Promise<TtsPrompts> {
  const text = await ragged(prompts.map(({ tokens }) => tokens));
  const voices = prompts.map(({ voice }) => voice);
  const { data, shape } = stackCodes(voices);
  return {
    text: text.values,
    textLengths: text.lengths,
    contextCodes: await Tensor.from(data, shape),
    contextLengths: await vector(voices.map(({ frames }) => frames)),
  };
}

/** Prompts and their samples as tensors; sample b belongs to prompt floor(b / group). */
export async function batchTensors(prompts: readonly Prompt[], samples: readonly Codes[]): Promise<TtsBatch> {
  const { data, shape } = stackCodes(samples);
  return {
    ...(await promptTensors(prompts)),
    codes: await Tensor.from(data, shape),
    codeLengths: await vector(samples.map(({ frames }) => frames)),
    group: samples.length / prompts.length,
  };
}

/**
 * The text positions that the alignment loss visits: one a character, because IPA has more bytes than speech has frames.
 */
export async function alignmentTargets(prompts: readonly Prompt[]) {
  const { values, lengths } = await ragged(
    // Counted from 1; the blank is 0.
    prompts.map(({ tokens }) => leadTokens(tokens).map((position) => position + 1)),
  );
  return { alignmentTargets: values, alignmentTargetLengths: lengths };
}

/** Samples `settings.group` times from each prompt; sample b belongs to prompt floor(b / group). @throws as Tts.generate. */
export async function sampleCodes(
  model: Tts,
  prompts: readonly Prompt[],
  settings: GenerateSettings,
): Promise<Sample[]> {
  const inputs = await promptTensors(prompts);
  const result = await model.generate(inputs, settings);
  const truncated = await result.truncated.toArray();
  const codes = unstackCodes(
    (await result.codes.toArray()) as Int32Array,
    result.codes.shape,
    await result.lengths.toArray(),
  );
  const { times: _, ...tensors } = result;
  disposeTensors({ ...inputs, ...tensors });
  return codes.map((each, b) => ({ codes: each, truncated: truncated[b] === 1 }));
}

/** Releases the tensors among the values of objects. */
export function disposeTensors(...objects: object[]): void {
  for (const value of objects.flatMap((object) => Object.values(object))) if (value instanceof Tensor) value.dispose();
}

const vector = (values: readonly number[]) => Tensor.from(Int32Array.from(values), [values.length]);

async function ragged(rows: readonly Int32Array[]): Promise<{ values: Tensor; lengths: Tensor }> {
  const longest = Math.max(...rows.map(({ length }) => length));
  const values = new Int32Array(rows.length * longest);
  rows.forEach((row, b) => {
    values.set(row, b * longest);
  });
  return {
    values: await Tensor.from(values, [rows.length, longest]),
    lengths: await vector(rows.map(({ length }) => length)),
  };
}
