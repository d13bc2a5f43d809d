/**
 * A copy that is played `speed` times faster: pitch, formants and tempo rise together, as of another speaker.
 *
 * Samples in between are interpolated linearly: what that loses of the high frequencies is one variation more.
 */
export function faster(wav: Float32Array, speed: number): Float32Array {
  if (speed === 1) return wav.slice();
  const played = new Float32Array(Math.floor((wav.length - 1) / speed) + 1);
  for (let i = 0; i < played.length; i++) {
    const before = Math.floor(i * speed);
    const share = i * speed - before;
    played[i] = share === 0 ? wav[before]! : (1 - share) * wav[before]! + share * wav[before + 1]!;
  }
  return played;
}

/** A stretch of the spectrum that is made louder (`db` above 0) or softer. */
export interface Band {
  hz: number;
  db: number;
}

/**
 * Changes the bands of a waveform, in place, by one peaking filter of quality 1 each.
 *
 * @see Bristow-Johnson: Cookbook formulae for audio equalizer biquad filter coefficients
 */
export function equalise(wav: Float32Array, bands: readonly Band[], sampleRate: number): void {
  for (const { hz, db } of bands) {
    const w = (2 * Math.PI * hz) / sampleRate;
    const gain = 10 ** (db / 40);
    const alpha = Math.sin(w) / 2;
    const scale = 1 / (1 + alpha / gain);
    const [b0, b1, b2] = [(1 + alpha * gain) * scale, -2 * Math.cos(w) * scale, (1 - alpha * gain) * scale];
    const a2 = (1 - alpha / gain) * scale; // a1 = b1
    // One after another, not as a list: this runs for each sample that a judge hears.
    let x1 = 0;
    let x2 = 0;
    let y1 = 0;
    let y2 = 0;
    for (let i = 0; i < wav.length; i++) {
      const x = wav[i]!;
      const y = b0 * x + b1 * (x1 - y1) + b2 * x2 - a2 * y2;
      x2 = x1;
      x1 = x;
      y2 = y1;
      y1 = y;
      wav[i] = y;
    }
  }
}
