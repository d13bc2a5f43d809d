import { CounterRandom } from './random.js';
import type { Split } from './sentences.js';

/** A synthetic speaker: an espeak-ng variant at one base pitch, with a vocal tract shorter by `scale`. */
export interface SyntheticVoice {
  /** Name of the speaker in manifests. */
  id: string;
  /** espeak-ng voice variant. */
  variant: string;
  /** Lines of an espeak-ng voice file, where the variant is not one of espeak-ng's own. */
  definition?: string;
  /** espeak-ng pitch, 0 to 99. */
  pitch: number;
  /** Formants and fundamental frequency are multiplied by it, 0.85 to 1.18. */
  scale: number;
}

/**
 * Variant, pitch and scale of each voice. Chosen farthest first from 3 600 candidates by long-term spectrum (4 dB) and
 * fundamental frequency (12 %), both measured on two spoken sentences: 75 to 310 Hz, at least 60 % of the frames voiced,
 * which leaves out whispers, robots and creaks. Splits share no variant, nor two revisions of one.
 */
const voices: Record<Exclude<Split, 'judges' | 'invented'>, string> = {
  train: `Andrea 50 0.88, Andrea 90 1.00, Andy 70 1.12, Andy 90 1.18, Annie 10 1.00, Diogo 70 1.09, Henrique 10 1.00,
    Jacky 10 0.91, Jacky 50 0.97, Lee 30 0.97, Lee 70 1.03, Mario 90 0.88, Mike 90 0.85, Reed 90 0.85, anika 30 0.97,
    anika 30 1.18, belinda 30 1.12, boris 50 1.18, boris 90 1.12, david 70 1.12, ed 70 1.12, f2 50 0.85, f3 50 1.18,
    f4 10 1.06, f4 30 1.12, f5 70 0.88, f5 90 0.91, grandma 70 1.15, grandma 90 0.88, ian 50 1.00, ian 90 0.88,
    iven2 30 0.88, iven2 90 1.18, john 30 0.88, kaukovalta 10 1.00, kaukovalta 90 0.85, linda 70 1.06, m1 70 0.85,
    m3 50 1.00, m7 90 1.12, max 90 1.00, michel 50 0.85, miguel 90 1.03, norbert 90 1.00, norbert 90 1.12,
    pablo 70 1.12, pablo 90 1.12, paul 90 0.91, pedro 50 1.12, rob 30 0.88, robert 30 1.00, sandro 50 0.88,
    sandro 90 0.88, shelby 30 1.00, shelby 90 1.00, steph 90 1.00, steph2 70 1.00, travis 50 0.85, travis 50 1.00,
    victor 30 1.15`,
  validation: `Hugo 50 0.94, Michael 10 1.00, antonio 90 1.18, aunty 70 1.00, edward 10 1.12, klatt4 50 1.18,
    m2 90 0.88, marcelo 90 1.00`,
  test: `Alex 90 1.00, Denis 70 1.00, Gene2 50 0.85, Nguyen 90 0.85, adam 90 1.09, benjamin 30 0.88, f1 90 0.97,
    m4 30 1.18, m5 10 1.00, m6 70 1.00, m8 50 1.12, quincy 90 1.18`,
};

/** Speakers of the judges' split. */
const judgeVoices = 240;

/** The speakers of a split; no variant belongs to two splits, but that judges learn from the variants of training. */
export function voicesOf(split: Exclude<Split, 'invented'>): SyntheticVoice[] {
  if (split === 'judges') return Array.from({ length: judgeVoices }, (_, i) => randomVoice(i));
  return voices[split].split(',').map((entry) => {
    const [variant, pitch, scale] = entry.trim().split(' ') as [string, string, string];
    const id = `${variant.toLowerCase()}-${pitch}-${scale.replace('.', '')}`;
    return { id, variant, pitch: Number(pitch), scale: Number(scale) };
  });
}

/** A variant of training at any pitch and scale: so many different voices that judges learn to hear any. */
function randomVoice(index: number): SyntheticVoice {
  const random = new CounterRandom(1, 'judge voice', index);
  const { variant } = random.pick(voicesOf('train'));
  const pitch = 5 + random.below(91);
  const scale = (85 + random.below(34)) / 100;
  return { id: `judge-${index}`, variant, pitch, scale };
}

/**
 * A voice that is no variant of espeak-ng's, the `index`th: formants, glottal source and timbre are drawn from ranges as wide
 * as those that the variants of training span.
 */
export function inventedVoice(index: number): SyntheticVoice {
  const random = new CounterRandom(1, 'invented voice', index);
  const between = (least: number, most: number) => Math.round(least + (most - least) * random.next());
  const sometimes = (share: number, line: () => string) => (random.next() < share ? [line()] : []);
  const id = `invented-${index}`;
  const pitch = Math.round(70 * 3.3 ** random.next());
  const formants = Array.from({ length: 9 }, (_, n) => {
    const strength = n <= 3 ? between(60, 160) : n <= 6 ? between(30, 120) : between(0, 100);
    return `formant ${n} ${n <= 3 ? between(86, 116) : between(75, 120)} ${strength} ${between(45, 165)}`;
  });
  const breath = between(1, 3);
  const lines = [
    'language variant',
    `name ${id}`,
    `pitch ${pitch} ${Math.round((pitch * between(115, 180)) / 100)}`,
    ...formants,
    `flutter ${between(0, 12)}`,
    `roughness ${between(0, 3)}`,
    ...sometimes(0.6, () => `voicing ${between(40, 140)}`),
    ...sometimes(0.6, () => `consonants ${between(45, 120)} ${between(50, 120)}`),
    ...sometimes(
      0.5,
      () => `tone 200 ${between(90, 255)} 1000 ${between(40, 200)} 2500 ${between(30, 150)} 4500 ${between(30, 150)}`,
    ),
    ...sometimes(0.25, () => `breath 0 ${Array(7).fill(breath).join(' ')}`),
    ...sometimes(0.2, () => `echo ${between(60, 150)} ${between(5, 20)}`),
    ...sometimes(0.12, () => `klatt ${1 + random.below(3)}`),
  ];
  return { id, variant: id, definition: `${lines.join('\n')}\n`, pitch: 50, scale: between(85, 118) / 100 };
}
