import { CheckpointError } from '@align2speak/contracts';
import { onnxMetadata } from '@align2speak/weights';

/** What a judge says: a transcript in IPA, a speaker's embedding, or how good it sounds; by the head of its network. */
export const judgeKinds = { ctc: 'recogniser', speaker: 'speaker', quality: 'quality' } as const;

export type JudgeKind = (typeof judgeKinds)[keyof typeof judgeKinds];

/** What a judge's file says about it. */
export interface JudgeInfo {
  readonly name: string;
  readonly kind: JudgeKind;
  /** Hz, of the waveforms it takes. */
  readonly sampleRate: number;
  /** Samples below which it has no answer. */
  readonly leastSamples: number;
  /** Recognisers: the IPA character of each label after the blank, which is label 0. */
  readonly symbols?: readonly string[];
  readonly measured?: Readonly<Record<string, number>>;
}

/** Where a judge's file keeps its info, as JSON. */
export const metadataKey = 'align2speak';

/**
 * Reads what an ONNX file says about the judge in it.
 *
 * @throws CheckpointError where the file is damaged, or says nothing that makes it a judge.
 */
export function judgeInfo(path: string, bytes: Uint8Array): JudgeInfo {
  const refuse = (what: string, expected: string, got: string, cause?: unknown): never => {
    throw new CheckpointError({ where: path, what, expected, got, cause });
  };
  let text: string | undefined;
  try {
    text = onnxMetadata(bytes).get(metadataKey);
  } catch (cause) {
    return refuse('file', 'a whole ONNX file', (cause as RangeError).message, cause);
  }
  const hint = 'judges are written by judgeToOnnx';
  if (text === undefined)
    throw new CheckpointError({
      where: path,
      what: 'metadata',
      expected: `an entry ${metadataKey}`,
      got: 'none',
      hint,
    });
  let info: Partial<JudgeInfo> | null = null;
  try {
    info = JSON.parse(text);
  } catch (cause) {
    refuse('metadata', 'JSON', text.slice(0, 40), cause);
  }
  const { name, kind, sampleRate, leastSamples, symbols } = info ?? {};
  const field = (what: string, expected: string, got: unknown) =>
    refuse(`metadata: ${what}`, expected, String(JSON.stringify(got)));
  if (typeof name !== 'string') field('name', 'a text', name);
  const kinds = Object.values(judgeKinds);
  if (!kinds.includes(kind as JudgeKind)) field('kind', `one of ${kinds.join(', ')}`, kind);
  if (!isCount(sampleRate)) field('sampleRate', 'a whole number above 0', sampleRate);
  if (!isCount(leastSamples)) field('leastSamples', 'a whole number above 0', leastSamples);
  const areTexts = Array.isArray(symbols) && symbols.every((symbol) => typeof symbol === 'string');
  if (kind === 'recogniser' ? !areTexts : symbols !== undefined)
    field('symbols', 'texts for a recogniser, none for other judges', symbols);
  return info as JudgeInfo;
}

const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) > 0;
