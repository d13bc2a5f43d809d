import { RewardError } from '@align2speak/contracts';
import type { Judge } from './judge.js';

/** @throws RewardError where samples come at another rate than the judge was trained at. */
export function checkSampleRate({ info }: Judge, sampleRate: number): void {
  if (sampleRate === info.sampleRate) return;
  const parts = { where: info.name, what: 'sampleRate', expected: `${info.sampleRate} Hz`, got: `${sampleRate}` };
  throw new RewardError({ ...parts, hint: 'resample of @align2speak/audio' });
}
