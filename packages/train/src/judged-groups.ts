import { appendFile, readFile } from 'node:fs/promises';
import { DataError, writeWhole } from '@align2speak/contracts';
import type { Candidate } from '@align2speak/rl';
import type { Drawn } from './rollouts.js';

/** The samples of a prompt as they were judged, and what was drawn of those that may be part of a pair. */
export interface JudgedGroup {
  candidates: Candidate[];
  drawn: ReadonlyMap<number, Drawn>;
}

/** Groups of prompts 0, 1, 2, … in a file, a line of JSON for those made together: an interrupted run goes on after the last line. */
export class JudgedGroups {
  readonly groups: JudgedGroup[];
  readonly #path: string;

  private constructor(path: string, groups: JudgedGroup[]) {
    this.#path = path;
    this.groups = groups;
  }

  /**
   * Those of the whole lines of the file; none where it was made under another configuration.
   *
   * @throws DataError naming a line that cannot be read, and the way out.
   */
  static async open(path: string, config: unknown): Promise<JudgedGroups> {
    const text = await readFile(path, 'utf8').catch(() => '');
    const head = JSON.stringify(config);
    const [first, ...lines] = text.split('\n').slice(0, -1);
    const kept = first === head ? lines : [];
    const groups = kept.flatMap((line, i) => {
      try {
        return parse(line);
      } catch (cause) {
        const hint = 'delete the file: its groups are judged again';
        const what = `line ${i + 2}`;
        throw new DataError({ where: path, what, expected: 'judged groups', got: 'what cannot be read', hint, cause });
      }
    });
    await writeWhole(path, [head, ...kept].map((line) => `${line}\n`).join(''));
    return new JudgedGroups(path, groups);
  }

  /** @throws DataError where the disk refuses. */
  async append(groups: readonly JudgedGroup[]): Promise<void> {
    const line = `${JSON.stringify(groups.map(plain))}\n`;
    await appendFile(this.#path, line, { flush: true }).catch((cause) => {
      throw new DataError({ where: this.#path, what: 'file', expected: 'to be written', got: cause.code, cause });
    });
    this.groups.push(...groups);
  }
}

/** For JSON, which says null for NaN. */
const plain = ({ candidates, drawn }: JudgedGroup) => ({
  candidates,
  drawn: [...drawn].map(([i, { codes, end }]) => ({ i, frames: codes.frames, codes: [...codes.data], end: [...end] })),
});

function parse(line: string): JudgedGroup[] {
  const groups = JSON.parse(line) as ReturnType<typeof plain>[];
  return groups.map(({ candidates, drawn }) => ({
    candidates: candidates.map(({ cer, ssim, durationSec }) => ({
      cer: cer ?? Number.NaN,
      ssim: ssim ?? Number.NaN,
      durationSec,
    })),
    drawn: new Map(
      drawn.map(({ i, frames, codes, end }) => [
        i,
        { codes: { data: Int32Array.from(codes), frames }, end: Int32Array.from(end) },
      ]),
    ),
  }));
}
