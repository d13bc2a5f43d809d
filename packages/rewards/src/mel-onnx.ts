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
 * those from floor(samples / hop) on are whatever silence gives.
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
  const { values, frequencies } = magnitudes(graph, frames, nFft);
  const mel = node('MatMul', values, melBank(graph, settings, frequencies));
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

/**
 * Magnitudes of the discrete Fourier transform of `frames` [B, rows, N] under a periodic Hann window.
 *
 * Cooley and Tukey's two steps, each a product: with N = `outer` * `inner`, n = `inner` a + b and k = `outer` c + d, first
 * over a, for each b and d, then over b, for each d and c, the twiddle factors within the second step's matrices. A real
 * signal needs no d beyond `outer` / 2: k and N - k have one magnitude. A fifth of the work of one product with
 * all cosines and sines, for N = 1024. The matrices are computed as the runtime opens the file and need no room in it.
 * @returns `values` [B, rows, F], and the frequency of each as a whole number of 1 / N turns a sample, from 0 to N / 2; those
 * that come twice are -1 the second time.
 * @see Cooley and Tukey, An algorithm for the machine calculation of complex Fourier series, 1965
 */
function magnitudes(graph: OnnxGraph, frames: string, nFft: number): { values: string; frequencies: number[] } {
  const node = (op: string, ...inputs: string[]) => graph.node(op, inputs);
  const concat = (axis: number, ...inputs: string[]) => graph.node('Concat', inputs, { axis });
  const reshape = (x: string, ...shape: number[]) => node('Reshape', x, graph.ints(shape));
  /** 0 to size - 1 along one of four axes: d, 1, b, and a or c. */
  const along = (axis: number, size: number) =>
    node('Unsqueeze', range(graph, size), graph.ints([0, 1, 2, 3].filter((other) => other !== axis)));
  const inner = factorOf(nFft);
  const outer = nFft / inner;
  const ds = Math.floor(outer / 2) + 1;
  const { cos, sin } = wavesOf(graph, nFft);

  const overA = node('Mul', node('Mul', along(0, ds), along(3, outer)), graph.ints(inner));
  const wavesA = reshape(concat(2, cos(overA), node('Neg', sin(overA))), 2 * ds, outer);
  const windowed = reshape(node('Mul', frames, hann(graph, nFft)), 0, 0, outer, inner);
  const parts = reshape(node('MatMul', wavesA, windowed), 0, 0, ds, 2 * inner);
  // [ds, B, rows, 2 inner]: real parts of all b, then imaginary ones.
  const byD = graph.node('Transpose', [parts], { perm: [2, 0, 1, 3] });

  const k = node('Add', node('Mul', along(3, inner), graph.ints(outer)), along(0, ds));
  const overB = node('Mul', along(2, inner), k);
  const [cosB, sinB] = [cos(overB), sin(overB)];
  const real = node('MatMul', byD, concat(2, cosB, sinB));
  const imaginary = node('MatMul', byD, concat(2, node('Neg', sinB), cosB));
  const values = node('Sqrt', node('Add', node('Mul', real, real), node('Mul', imaginary, imaginary)));
  const byFrame = graph.node('Transpose', [values], { perm: [1, 2, 0, 3] });
  const frequencies = Array.from({ length: ds * inner }, (_, i) => {
    const d = Math.floor(i / inner);
    const frequency = outer * (i % inner) + d;
    const second = (2 * d) % outer === 0 && frequency > nFft / 2;
    return second ? -1 : Math.min(frequency, nFft - frequency);
  });
  return { values: reshape(byFrame, 0, 0, ds * inner), frequencies };
}

/** The largest divisor of `size` that is at most its root. */
function factorOf(size: number): number {
  let factor = Math.floor(Math.sqrt(size));
  while (size % factor !== 0) factor--;
  return factor;
}

/** Cosine and sine of whole numbers of 1 / N turns, f32; they are reduced as whole numbers and taken in f64. */
function wavesOf(graph: OnnxGraph, nFft: number) {
  const node = (op: string, ...inputs: string[]) => graph.node(op, inputs);
  const wave = (op: string) => (turns: string) => {
    const reduced = asDouble(graph, node('Mod', turns, graph.ints(nFft)));
    return asFloat(graph, node(op, node('Mul', reduced, double(graph, (2 * Math.PI) / nFft))));
  };
  return { cos: wave('Cos'), sin: wave('Sin') };
}

/** `[N]`: a periodic Hann window. */
function hann(graph: OnnxGraph, nFft: number): string {
  const wave = wavesOf(graph, nFft).cos(range(graph, nFft));
  return graph.node('Sub', [graph.scalar(0.5), graph.node('Mul', [wave, graph.scalar(0.5)])]);
}

/**
 * `[F, nMels]`: triangles between edges that are evenly spaced on Slaney's scale from 0 to half the sampling rate, at
 * `frequencies` of that many 1 / N turns a sample. Negative ones have no weight.
 */
function melBank(graph: OnnxGraph, { sampleRate, nFft, nMels }: MelSettings, frequencies: readonly number[]): string {
  const top = toMel(sampleRate / 2);
  const edges = Array.from({ length: nMels + 2 }, (_, i) => toHz((top * i) / (nMels + 1)));
  const widths = edges.slice(1).map((edge, i) => edge - edges[i]!);
  const hz = double(graph, ...frequencies.map((frequency) => (frequency * sampleRate) / nFft));
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
