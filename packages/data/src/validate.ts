import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type AudioClip, decodeWav, rms } from '@align2speak/audio';
import { DataError } from '@align2speak/contracts';
import { languageCodes } from '@align2speak/text';
import { type ManifestProblem, parseLine, readLines, type Utterance } from './manifest.js';

/** What an utterance has to be to train on it. */
const limits = {
  leastSec: 0.3,
  mostSec: 20,
  /** Between the manifest's duration and the file's. */
  toleranceSec: 0.05,
  /** Root mean square; -60 dB of full scale. */
  leastLevel: 1e-3,
};

const scripts: Record<string, { name: string; letter: RegExp }> = {
  hi: { name: 'Devanagari', letter: /\p{Script=Devanagari}/u },
};
const latin = { name: 'Latin', letter: /\p{Script=Latin}/u };

/**
 * Every problem of a manifest, line by line; none means that it can be trained on. Opens every audio file.
 *
 * @throws DataError where the manifest itself cannot be read or is empty.
 */
export async function validateManifest(path: string): Promise<ManifestProblem[]> {
  const problems: ManifestProblem[] = [];
  const seen = new Map<string, number>();
  for (const { line, text } of await readLines(path)) {
    const parsed = parseLine(text, line, dirname(path));
    problems.push(...parsed.problems);
    if (!parsed.entry) continue;
    const add = (field: string, expected: string, got: string) => problems.push({ line, field, expected, got });
    checkText(parsed.entry, add);
    await checkAudio(parsed.entry, { line, seen, add });
  }
  return problems;
}

type Add = (field: string, expected: string, got: string) => void;

function checkText({ text, ipa, lang }: Omit<Utterance, 'ipa'> & { ipa: string | undefined }, add: Add): void {
  const code = lang.toLowerCase().replace('_', '-');
  const known = languageCodes.find((each) => each === code) ?? languageCodes.find((each) => each === code.slice(0, 2));
  if (ipa === undefined && known === undefined)
    add('lang', `one of ${languageCodes.join(', ')}, or the field ipa`, `'${lang}' without ipa`);
  if (ipa !== undefined && !/\p{L}/u.test(ipa)) add('ipa', 'at least one phoneme', JSON.stringify(ipa));
  const letters = text.match(/\p{L}/gu) ?? [];
  if (letters.length === 0 && !/\p{N}/u.test(text)) add('text', 'letters or digits', JSON.stringify(text));
  if (known === undefined) return;
  const script = scripts[known.slice(0, 2)] ?? latin;
  // A foreign name in a sentence is no mistake; a sentence in another script is.
  const foreign = letters.filter((letter) => !script.letter.test(letter)).length;
  if (2 * foreign > letters.length)
    add('text', `${script.name} letters for '${lang}'`, JSON.stringify(text.slice(0, 40)));
}

interface AudioCheck {
  line: number;
  /** Line of each recording met so far, by the digest of its bytes. */
  seen: Map<string, number>;
  add: Add;
}

async function checkAudio({ audioPath, durationSec }: Pick<Utterance, 'audioPath' | 'durationSec'>, check: AudioCheck) {
  const { line, seen, add } = check;
  const field = 'audio_filepath';
  let bytes: Uint8Array;
  try {
    bytes = await readFile(audioPath);
  } catch (error) {
    return add(field, 'a readable file', `${(error as NodeJS.ErrnoException).code} at ${audioPath}`);
  }
  const digest = createHash('sha256').update(bytes).digest('hex');
  const first = seen.get(digest);
  if (first !== undefined) add(field, 'a recording of its own', `that of line ${first}`);
  else seen.set(digest, line);
  let clip: AudioClip;
  try {
    clip = decodeWav(bytes, audioPath);
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    return add(field, `a WAV file with ${error.expected} at ${error.what}`, error.got);
  }
  const actual = clip.samples.length / clip.sampleRate;
  if (Math.abs(actual - durationSec) > limits.toleranceSec)
    add('duration', `${actual.toFixed(3)} s, as in the file`, `${durationSec} s`);
  if (actual < limits.leastSec || actual > limits.mostSec)
    add(field, `${limits.leastSec} to ${limits.mostSec} s of audio`, `${actual.toFixed(3)} s`);
  const level = rms(clip.samples);
  if (level < limits.leastLevel)
    add(field, `speech (level of at least ${limits.leastLevel})`, `a level of ${level.toPrecision(2)}`);
}
