import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { DeviceError } from '@align2speak/contracts';

/** One request to the espeak-ng process; its README says what the fields mean. */
export interface EspeakRequest {
  voice: string;
  definition?: string | undefined;
  text: string;
  speak?: boolean;
  /** Words a minute, 80 to 450. */
  rate?: number;
  /** 0 to 99. */
  pitch?: number;
}

/** Its answer: raw phonemes clause by clause and, where speech was asked for, 16-bit mono audio. */
export interface EspeakAnswer {
  clauses: string[];
  /** Hz. */
  sampleRate?: number;
  /** Base64 of little-endian 16-bit samples. */
  pcm?: string;
  error?: string;
}

interface Pending {
  resolve: (answer: EspeakAnswer) => void;
  reject: (error: Error) => void;
}

/**
 * espeak-ng as a child process, started by the first request. It lives in the optional GPL package
 * `@align2speak/espeak`; nothing of it runs in this process.
 */
export class Espeak {
  #child: ChildProcess | undefined;
  readonly #pending: Pending[] = [];

  /**
   * @throws DeviceError when the package is not installed or its process ends early.
   */
  request(request: EspeakRequest): Promise<EspeakAnswer> {
    this.#child ??= this.#start();
    const child = this.#child;
    return new Promise((resolve, reject) => {
      this.#pending.push({ resolve, reject });
      child.stdin!.write(`${JSON.stringify(request)}\n`);
    });
  }

  /** Ends the process once the answers that are under way have come. */
  close(): void {
    this.#child?.stdin?.end();
    this.#child = undefined;
  }

  #start(): ChildProcess {
    const child = spawn(process.execPath, [serverPath()], { stdio: ['pipe', 'pipe', 'inherit'] });
    // The process answers in the order of the requests.
    createInterface({ input: child.stdout! }).on('line', (line) => this.#pending.shift()?.resolve(JSON.parse(line)));
    child.stdin!.on('error', () => {}); // the exit below says why
    child.on('close', (code, signal) => {
      if (this.#child === child) this.#child = undefined;
      for (const { reject } of this.#pending.splice(0))
        reject(
          new DeviceError({
            where: 'espeak',
            what: 'process',
            expected: 'an answer',
            got: `its end (${signal ?? code})`,
          }),
        );
    });
    return child;
  }
}

function serverPath(): string {
  try {
    return fileURLToPath(import.meta.resolve('@align2speak/espeak/server'));
  } catch (cause) {
    throw new DeviceError({
      where: 'espeak',
      what: '@align2speak/espeak',
      expected: 'the package to be installed',
      got: 'no such package',
      hint: 'npm install @align2speak/espeak (GPL-3.0), or give ready IPA in the `ipa` field of the manifest',
      cause,
    });
  }
}
