import type { OnnxGraph } from '@align2speak/weights';

/** The front end of a judge, as in its configuration: Hz, samples, samples, filters. */
export interface MelSettings {
  readonly sampleRate: number;
  readonly nFft: number;
  readonly hopLength: number;
  readonly nMels: number;
}

/**
 * Log mel frames of waveforms, as the core's `log_mel` computes them with centre padding by zeros: magnitudes under a
 * periodic Hann window, Slaney's triangles of height 1, `log(mel + 0.01)`.
 *
 * Samples beyond an item's own are not read. `rows` frames come out (an i64 scalar, at most floor(S / hop) + `extra`);
 * those from floor(samples / hop) on are whatever silence gives. The transform is a product with cosines and sines that
 * the runtime computes as it opens the file, so that they need no room in it. The window is the same from both ends, so
 * samples n and nFft - n are added (for cosines) and subtracted (for sines) first, which halves the product.
 * @param samples [B] i64
 * @returns `[B, rows, nMels]`
 * @see native/ops/spectral/spectral.h
 */
export function melFrames(
  graph: OnnxGraph,
  settings: MelSettings,
  { wav, samples, rows, extra }: { wav: string; samples: string; rows: string; extra: number },
): string {
  const { nFft, hopLength } = settings;
  const node = (op: string, ...inputs: string[]) => graph.node(op, inputs);
  const half = nFft / 2;
  const inside = node('Less', positions(graph, wav, 1), node('Unsqueeze', samples, graph.ints([1])));
  const own = node('Where', inside, wav, graph.scalar(0));
  const signal = node('Pad', own, graph.ints([0, half, 0, half + extra * hopLength]));
  const frames = framesOf(graph, signal, { rows, nFft, hopLength });
  // The window is 0 at sample 0, so the pairs are 1 and nFft - 1, 2 and nFft - 2, ...
  const part = (begin: number, end: number, step: number) =>
    node('Slice', frames, graph.ints([begin]), graph.ints([end]), graph.ints([2]), graph.ints([step]));
  const early = part(1, half + 1, 1);
  const late = part(nFft - 1, half - 1, -1);
  const waves = fourierWaves(graph, nFft);
  const real = node('MatMul', node('Add', early, late), waves.cosines);
  const imaginary = node('MatMul', node('Sub', early, late), waves.sines);
  const magnitudes = node('Sqrt', node('Add', node('Mul', real, real), node('Mul', imaginary, imaginary)));
  const mel = node('MatMul', magnitudes, melBank(graph, settings));
  return node('Log', node('Add', mel, graph.scalar(0.01)));
}

/** `[B, rows, nFft]`: frames of a signal [B, .], hopLength apart. Whole blocks are copied, as long as both sizes allow. */
function framesOf(
  graph: OnnxGraph,
  signal: string,
  { rows, nFft, hopLength }: { rows: string; nFft: number; hopLength: number },
): string {
  const node = (op: string, ...inputs: string[]) => graph.node(op, inputs);
  let [block, rest] = [nFft, hopLength];
  while (rest > 0) [block, rest] = [rest, block % rest];
  const size = node('Add', node('Mul', rows, graph.ints(hopLength)), graph.ints(nFft - hopLength));
  const ends = node('Unsqueeze', size, graph.ints([0]));
  const whole = node('Slice', signal, graph.ints([0]), ends, graph.ints([1]));
  const blocks = node('Reshape', whole, graph.ints([0, -1, block]));
  const starts = node('Mul', node('Range', graph.ints(0), rows, graph.ints(1)), graph.ints(hopLength / block));
  const places = node('Add', node('Unsqueeze', starts, graph.ints([1])), range(graph, nFft / block));
  return node('Reshape', graph.node('Gather', [blocks, places], { axis: 1 }), graph.ints([0, -1, nFft]));
}

/** 0, 1, ... along an axis of a value: i64. */
export function positions(graph: OnnxGraph, value: string, axis: number): string {
  const size = graph.node('Shape', [value], { start: axis, end: axis + 1 });
  return graph.node('Range', [graph.ints(0), graph.node('Squeeze', [size]), graph.ints(1)]);
}

const range = (graph: OnnxGraph, count: number) =>
  graph.node('Range', [graph.ints(0), graph.ints(count), graph.ints(1)]);
const asDouble = (graph: OnnxGraph, value: string) => graph.node('Cast', [value], { to: 11 });
const asFloat = (graph: OnnxGraph, value: string) => graph.node('Cast', [value], { to: 1 });
const double = (graph: OnnxGraph, ...values: number[]) =>
  graph.tensor('f64', values.length === 1 ? [] : [values.length], Float64Array.from(values));

/** 1 to `half`. */
const pairsOf = (half: number) => Array.from({ length: half }, (_, i) => i + 1);

/**
 * `[nFft / 2, F]` each: windowed cosines and sines at samples 1 to nFft / 2. Angles are reduced as whole numbers and taken
 * in f64.
 */
function fourierWaves(graph: OnnxGraph, nFft: number): { cosines: string; sines: string } {
  const half = nFft / 2;
  const node = (op: string, ...inputs: string[]) => graph.node(op, inputs);
  const n = node('Unsqueeze', node('Add', range(graph, half), graph.ints(1)), graph.ints([1]));
  const turns = node('Mod', node('Mul', n, range(graph, half + 1)), graph.ints(nFft));
  const phases = node('Mul', asDouble(graph, turns), double(graph, (2 * Math.PI) / nFft));
  // The sample in the middle is its own partner and would count twice.
  const hann = pairsOf(half).map((i) => (i === half ? 0.5 : 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / nFft)));
  const window = node('Unsqueeze', double(graph, ...hann), graph.ints([1]));
  const windowed = (op: string) => asFloat(graph, node('Mul', node(op, phases), window));
  return { cosines: windowed('Cos'), sines: windowed('Sin') };
}

/** `[F, nMels]`: triangles between edges that are evenly spaced on Slaney's scale from 0 to half the sampling rate. */
function melBank(graph: OnnxGraph, { sampleRate, nFft, nMels }: MelSettings): string {
  const top = toMel(sampleRate / 2);
  const edges = Array.from({ length: nMels + 2 }, (_, i) => toHz((top * i) / (nMels + 1)));
  const widths = edges.slice(1).map((edge, i) => edge - edges[i]!);
  const hz = graph.node('Mul', [asDouble(graph, range(graph, nFft / 2 + 1)), double(graph, sampleRate / nFft)]);
  const column = graph.node('Unsqueeze', [hz, graph.ints([1])]);
  const rise = graph.node('Div', [
    graph.node('Sub', [column, double(graph, ...edges.slice(0, nMels))]),
    double(graph, ...widths.slice(0, nMels)),
  ]);
  const fall = graph.node('Div', [
    graph.node('Sub', [double(graph, ...edges.slice(2)), column]),
    double(graph, ...widths.slice(1)),
  ]);
  return asFloat(graph, graph.node('Max', [graph.node('Min', [rise, fall]), double(graph, 0)]));
}

/** Slaney's scale: 200/3 Hz a mel up to 1 kHz (mel 15), then 27 mels for each factor of 6.4. */
const knee = { hz: 1000, mel: 15, hzPerMel: 200 / 3, logStep: Math.log(6.4) / 27 };

function toMel(hz: number): number {
  return hz < knee.hz ? hz / knee.hzPerMel : knee.mel + Math.log(hz / knee.hz) / knee.logStep;
}

function toHz(mel: number): number {
  return mel < knee.mel ? mel * knee.hzPerMel : knee.hz * Math.exp(knee.logStep * (mel - knee.mel));
}
