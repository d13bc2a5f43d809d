import { CancelledError } from '@align2speak/contracts';
import { binding, type CancelToken, type NativeInfo } from './binding.js';

/** What every call on the engine accepts. */
export interface CallOptions {
  /** Ends the call with CancelledError: at once while it waits, else before its next op or frame. */
  signal?: AbortSignal | undefined;
}

/** Version, instruction set, threads and build of the native core. */
export function info(): NativeInfo {
  return binding().info();
}

/**
 * Sets the number of compute threads, once the calls before it have ended. Results do not depend on it.
 *
 * @param threads 1 to 1024; 0 means one per CPU that this process may use.
 * @throws ConfigError on any other number.
 */
export async function setThreads(threads: number): Promise<void> {
  await binding().setThreads(threads);
}

/** Starts a native call under a signal, if there is one. */
export async function underSignal<T>(
  { signal }: CallOptions,
  start: (token: CancelToken | undefined) => Promise<T>,
): Promise<T> {
  if (!signal) return start(undefined);
  const native = binding();
  const token = native.cancelToken();
  const cancel = () => native.cancel(token);
  if (signal.aborted) cancel();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    return await start(token);
  } catch (error) {
    if (error instanceof CancelledError) error.cause = signal.reason;
    throw error;
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}

const listeners = new Map<number, (step: number, running: number) => void>();
let lastId = 0;

/** How far a call has come: its id goes to the addon, which reports under it until `end`. An id of 0 reports nothing. */
export function trackProgress(
  listener: ((step: number, running: number) => void) | undefined,
  onError: (error: unknown) => void,
): { id: number; end: () => void } {
  if (!listener) return { id: 0, end: () => {} };
  if (lastId === 0) binding().setProgressListener((id, step, running) => listeners.get(id)?.(step, running));
  const id = ++lastId;
  listeners.set(id, (step, running) => {
    try {
      listener(step, running);
    } catch (error) {
      onError(error);
    }
  });
  return { id, end: () => listeners.delete(id) };
}
