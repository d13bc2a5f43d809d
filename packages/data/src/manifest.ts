import { readFile } from 'node:fs/promises';
import { dirname, relative, resolve } from 'node:path';
import { DataError, writeWhole } from '@align2speak/contracts';

/** One recorded sentence. */
export interface Utterance {
  /** Absolute, or relative to the working folder. */
  audioPath: string;
  text: string;
  /** As `Phonemizer.phonemize` writes it. */
  ipa: string;
  durationSec: number;
  speaker: string;
  /** Language code. */
  lang: string;
}

/** A sentence without a recording. */
export type Prompt = Pick<Utterance, 'text' | 'ipa' | 'lang'>;

/** What is wrong with a manifest: line from 1, field of it, and what was expected. */
export interface ManifestProblem {
  line: number;
  field: string;
  expected: string;
  got: string;
}

/** A line as its author wrote it; `ipa` may be missing. */
type Entry = Omit<Utterance, 'ipa'> & { ipa: string | undefined };

const fields: readonly (readonly [name: string, type: 'string' | 'number', required: boolean])[] = [
  ['audio_filepath', 'string', true],
  ['text', 'string', true],
  ['ipa', 'string', false],
  ['duration', 'number', true],
  ['speaker', 'string', true],
  ['lang', 'string', true],
];

/** The utterance of a manifest line, or what is wrong with its form. Fields of other tools are ignored. */
export function parseLine(text: string, line: number, folder: string): { entry?: Entry; problems: ManifestProblem[] } {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    return { problems: [{ line, field: 'line', expected: 'JSON', got: (error as Error).message }] };
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    return { problems: [{ line, field: 'line', expected: 'a JSON object', got: text.slice(0, 40) }] };
  const values = json as Record<string, unknown>;
  const problems = fields.flatMap(([field, type, required]): ManifestProblem[] => {
    const value = values[field];
    if (value === undefined) return required ? [{ line, field, expected: `a ${type}`, got: 'nothing' }] : [];
    const got = JSON.stringify(value);
    if (typeof value !== type) return [{ line, field, expected: `a ${type}`, got }];
    if (type === 'string' && (value as string).trim() === '')
      return [{ line, field, expected: 'a text that is not empty', got }];
    if (type === 'number' && !((value as number) > 0)) return [{ line, field, expected: 'seconds above 0', got }];
    return [];
  });
  if (problems.length > 0) return { problems };
  const entry = {
    audioPath: resolve(folder, values.audio_filepath as string),
    text: values.text as string,
    ipa: (values.ipa as string | undefined)?.normalize('NFC'),
    durationSec: values.duration as number,
    speaker: values.speaker as string,
    lang: values.lang as string,
  };
  return { entry, problems };
}

/** The lines of a file that are not empty, with their numbers from 1. @throws DataError where it cannot be read or has none. */
export async function readLines(path: string): Promise<{ line: number; text: string }[]> {
  let content: string;
  try {
    content = await readFile(path, 'utf8');
  } catch (cause) {
    const got = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new DataError({ where: path, what: 'manifest', expected: 'a readable file', got, cause });
  }
  const lines = content.replace(/^\uFEFF/u, '').split('\n');
  const numbered = lines.map((text, i) => ({ line: i + 1, text })).filter(({ text }) => text.trim() !== '');
  if (numbered.length === 0)
    throw new DataError({ where: path, what: 'manifest', expected: 'at least one line', got: 'none' });
  return numbered;
}

/** How to read a manifest. */
export interface ReadManifestSettings {
  /** Pronounces the lines without `ipa`, e.g. a Phonemizer's method; without it such lines are refused. */
  phonemize?: (text: string, lang: string) => Promise<string>;
}

/**
 * The utterances of a NeMo manifest: one JSON object a line with `audio_filepath` (absolute or relative to the manifest's
 * folder), `text`, `ipa`, `duration` (seconds), `speaker` and `lang`. Audio is not opened.
 *
 * @throws DataError, naming line and field, at the first line that cannot be used.
 */
export async function readManifest(path: string, { phonemize }: ReadManifestSettings = {}): Promise<Utterance[]> {
  const utterances: Utterance[] = [];
  for (const { line, text } of await readLines(path)) {
    const { entry, problems } = parseLine(text, line, dirname(path));
    if (!entry) {
      const { field, expected, got } = problems[0]!;
      const hint = `align2speak data validate ${path}`;
      throw new DataError({ where: `${path}:${line}`, what: field, expected, got, hint });
    }
    const ipa = entry.ipa ?? (await phonemize?.(entry.text, entry.lang));
    if (ipa === undefined) {
      const hint = 'give IPA in the manifest, or a phonemizer';
      throw new DataError({ where: `${path}:${line}`, what: 'ipa', expected: 'a string', got: 'nothing', hint });
    }
    utterances.push({ ...entry, ipa });
  }
  return utterances;
}

/** Writes a manifest whole or not at all; audio is named relative to its folder. @throws DataError where it cannot. */
export async function writeManifest(path: string, utterances: readonly Utterance[]): Promise<void> {
  const lines = utterances.map(({ audioPath, text, ipa, durationSec, speaker, lang }) =>
    JSON.stringify({
      audio_filepath: relative(dirname(path), audioPath).replaceAll('\\', '/'),
      text,
      ipa,
      duration: Number(durationSec.toFixed(4)),
      speaker,
      lang,
    }),
  );
  await writeWhole(path, `${lines.join('\n')}\n`);
}

/** The sentences of a `.texts.jsonl` file: `text`, `ipa` and `lang` in each line. @throws DataError, naming line and field. */
export async function readPrompts(path: string): Promise<Prompt[]> {
  return (await readLines(path)).map(({ line, text: source }) => {
    let values: Record<string, unknown> | null;
    try {
      values = JSON.parse(source);
    } catch (cause) {
      const got = (cause as Error).message;
      throw new DataError({ where: `${path}:${line}`, what: 'line', expected: 'JSON', got, cause });
    }
    for (const what of ['text', 'ipa', 'lang']) {
      const value = values?.[what];
      if (typeof value !== 'string' || value.trim() === '')
        throw new DataError({
          where: `${path}:${line}`,
          what,
          expected: 'a string',
          got: JSON.stringify(value) ?? 'nothing',
        });
    }
    const { text, ipa, lang } = values as unknown as Prompt;
    return { text, ipa: ipa.normalize('NFC'), lang };
  });
}

/** Writes what {@link readPrompts} reads, whole or not at all. @throws DataError where it cannot. */
export async function writePrompts(path: string, prompts: readonly Prompt[]): Promise<void> {
  const lines = prompts.map(({ text, ipa, lang }) => JSON.stringify({ text, ipa, lang }));
  await writeWhole(path, `${lines.join('\n')}\n`);
}
