/** Seconds and root mean square below which nothing is judged: such samples are silence, clicks or failures. */
const leastSec = 0.1;
const leastRms = 1e-4;

/** Why a waveform cannot be judged, or undefined where it can. */
export function faultOf(wav: Float32Array, sampleRate: number): string | undefined {
  if (wav.length < leastSec * sampleRate) return `shorter than ${leastSec} s`;
  let energy = 0;
  for (let i = 0; i < wav.length; i++) energy += wav[i]! * wav[i]!;
  // Infinities and NaN stay in the sum; squares of finite f32 numbers fit f64.
  if (!Number.isFinite(energy)) return 'samples that are not finite';
  return Math.sqrt(energy / wav.length) < leastRms ? `silent, rms below ${leastRms}` : undefined;
}
