import { type JudgeConfig, judgeConfig, parseConfig } from '@align2speak/contracts';
import type { NamedWeights } from '@align2speak/weights';

/** Numbers in [-1, 1) from a seed. */
export function noise(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

/** A signal with speech-like ups and downs in [-0.5, 0.5]. */
export function signal(seed: number, samples: number): Float32Array {
  const random = noise(seed);
  return Float32Array.from(
    { length: samples },
    (_, i) => 0.25 * (random() + Math.sin(i / (5 + seed))) * Math.sin(i / 3000) ** 2,
  );
}

/** A small judge whose sizes all differ. */
export function smallConfig(head: unknown, change: object = {}): JudgeConfig {
  const sizes = { nFft: 320, hopLength: 100, nMels: 20, frameStack: 3, channels: 12, kernel: 3, dilations: [1, 2] };
  return parseConfig(judgeConfig, { ...sizes, ...change, head }, 'test');
}

/** Random weights for a configuration. */
export function randomWeights(config: JudgeConfig, seed: number): NamedWeights {
  const { channels: C, nMels, frameStack, kernel, head } = config;
  const input = nMels * frameStack;
  const outputs = head.kind === 'ctc' ? head.labels : head.kind === 'speaker' ? head.dim : 1;
  const blocks = config.dilations.flatMap((_, i): [string, number[]][] => [
    [`blocks.${i}.norm.weight`, [C]],
    [`blocks.${i}.conv.weight`, [C, C, kernel]],
    [`blocks.${i}.conv.bias`, [C]],
    [`blocks.${i}.proj.weight`, [C, C]],
    [`blocks.${i}.proj.bias`, [C]],
  ]);
  const shapes: [string, number[]][] = [
    ['frontend.weight', [C, input]],
    ['frontend.bias', [C]],
    ...blocks,
    ['norm.weight', [C]],
    ['head.weight', [outputs, head.kind === 'ctc' ? C : 2 * C]],
    ['head.bias', [outputs]],
  ];
  const random = noise(seed);
  return Object.fromEntries(
    shapes.map(([name, shape]) => {
      const size = shape.reduce((product, axis) => product * axis, 1);
      const spread = name.endsWith('bias') ? 0.1 : shape.length === 1 ? 1 : Math.sqrt(3 * (shape[0]! / size));
      // Most qualities stay within [0, 1], where they are not clipped.
      const isQuality = head.kind === 'quality' && name.startsWith('head');
      const offset = isQuality && name === 'head.bias' ? 0.5 : 0;
      const value = () => offset + (isQuality ? 0.2 : 1) * spread * random();
      return [name, { shape, data: Float32Array.from({ length: size }, value) }];
    }),
  );
}

export const symbols = [...'abdeɡ'];
export const ctcHead = { kind: 'ctc', labels: symbols.length + 1 };
