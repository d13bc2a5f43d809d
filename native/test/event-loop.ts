import { existsSync, readFileSync } from 'node:fs';

/**
 * Times the turns of the event loop until stopped, in ms. On Linux without the time that this thread was ready to run
 * and the machine ran another one: that says how busy the machine is, not whether a call blocks.
 */
export function measureTurns(): () => number[] {
  const schedstat = '/proc/thread-self/schedstat';
  const waited = () => (existsSync(schedstat) ? Number(readFileSync(schedstat, 'utf8').split(' ')[1]) / 1e6 : 0);
  const turns: number[] = [];
  let last = performance.now() - waited();
  const turn = () => {
    const now = performance.now() - waited();
    turns.push(now - last);
    last = now;
  };
  const timer = setInterval(turn, 1);
  return () => {
    clearInterval(timer);
    turn();
    return turns;
  };
}
