import { type FileHandle, mkdir, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '@align2speak/contracts';
import { event, record, soundLength } from './event-records.js';

/** TensorBoard reads every file with `tfevents` in its name. */
const namePattern = /^events\.out\.tfevents\.\d+\.align2speak$/;

/**
 * Writes scalars to a TensorBoard event file in a run folder, one file for the life of the run.
 *
 * Every call is with the operating system when its promise resolves; `flush` and `close` bring it to the disk.
 */
export class EventWriter {
  readonly path: string;
  readonly #handle: FileHandle;

  private constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.#handle = handle;
  }

  /**
   * Opens the folder's event file, or begins one; a record that an interrupted run left torn at the end is cut off.
   *
   * @param resumeStep Step that a resumed run starts at again: TensorBoard then drops what it knows of this and later steps.
   * @throws CheckpointError where the file is damaged before its end.
   */
  static async open(dir: string, { resumeStep }: { resumeStep?: number } = {}): Promise<EventWriter> {
    await mkdir(dir, { recursive: true });
    const existing = (await readdir(dir)).filter((name) => namePattern.test(name)).sort();
    const now = Date.now() / 1000;
    const begun = `events.out.tfevents.${String(Math.floor(now)).padStart(10, '0')}.align2speak`;
    const path = join(dir, existing.at(-1) ?? begun);
    const handle = await open(path, 'a+');
    try {
      const length = soundLength(await handle.readFile(), path);
      await handle.truncate(length);
      const writer = new EventWriter(path, handle);
      if (length === 0) await handle.appendFile(record(event(now, { fileVersion: 'brain.Event:2' })));
      else if (resumeStep !== undefined) {
        writer.#checkStep(resumeStep);
        await handle.appendFile(record(event(now, { step: resumeStep, restart: true })));
      }
      return writer;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /**
   * Appends the values of one step; not-a-number and infinities are written as they are.
   *
   * @param step Whole number, 0 or more.
   * @param wallTime Seconds since 1970.
   * @param values By tag; TensorBoard groups tags by what stands before their first `/`.
   * @throws DataError where the step is not one.
   */
  async scalars(step: number, wallTime: number, values: Readonly<Record<string, number>>): Promise<void> {
    this.#checkStep(step);
    await this.#handle.appendFile(record(event(wallTime, { step, scalars: values })));
  }

  /** Brings everything written so far to the disk. */
  async flush(): Promise<void> {
    await this.#handle.datasync();
  }

  async close(): Promise<void> {
    await this.flush();
    await this.#handle.close();
  }

  #checkStep(step: number): void {
    if (Number.isSafeInteger(step) && step >= 0) return;
    throw new DataError({ where: this.path, what: 'step', expected: 'a whole number, 0 or more', got: String(step) });
  }
}
