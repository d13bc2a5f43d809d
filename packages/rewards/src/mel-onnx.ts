import type { OnnxGraph } from './onnx.js';

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
 * Samples beyond an item's own are not read. `rows` frames come out (a scalar); those from floor(samples / hop) on
 * are whatever silence gives. The transform is a convolution with sines and cosines that the runtime computes as it
 * opens the file, so that they need no room in it.
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
  const inside = graph.node('Less', [positions(graph, wav, 1), graph.node('Unsqueeze', [samples, graph.ints([1])])]);
  const own = graph.node('Where', [inside, wav, graph.scalar(0)]);
  const half = nFft / 2;
  const padded = graph.node('Pad', [own, graph.ints([0, half, 0, half + extra * hopLength])]);
  const signal = graph.node('Unsqueeze', [padded, graph.ints([1])]);
  const spectrum = graph.node('Conv', [signal, fourierFilters(graph, nFft)], { strides: [hopLength] });
  const frames = graph.node('Slice', [
    spectrum,
    graph.ints([0]),
    graph.node('Unsqueeze', [rows, graph.ints([0])]),
    graph.ints([2]),
  ]);
  // Real and imaginary rows stand in two halves of the channels.
  const halves = graph.node('Reshape', [frames, graph.ints([0, 2, nFft / 2 + 1, -1])]);
  const magnitudes = graph.node('ReduceL2', [halves, graph.ints([1])], { keepdims: 0 });
  const bins = graph.node('Transpose', [magnitudes], { perm: [0, 2, 1] });
  const mel = graph.node('MatMul', [bins, melBank(graph, settings)]);
  return graph.node('Log', [graph.node('Add', [mel, graph.scalar(0.01)])]);
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

/** `[2 F, 1, nFft]`: windowed cosines, then sines. Angles are reduced as whole numbers and taken in f64. */
function fourierFilters(graph: OnnxGraph, nFft: number): string {
  const n = range(graph, nFft);
  const turn = double(graph, (2 * Math.PI) / nFft);
  const angles = (numbers: string) => graph.node('Mul', [asDouble(graph, numbers), turn]);
  const bins = graph.node('Unsqueeze', [range(graph, nFft / 2 + 1), graph.ints([1])]);
  const phases = angles(graph.node('Mod', [graph.node('Mul', [bins, n]), graph.ints(nFft)]));
  const waves = graph.node('Concat', [graph.node('Cos', [phases]), graph.node('Sin', [phases])], { axis: 0 });
  const cosine = graph.node('Cos', [angles(n)]);
  const hann = graph.node('Sub', [double(graph, 0.5), graph.node('Mul', [double(graph, 0.5), cosine])]);
  return graph.node('Unsqueeze', [asFloat(graph, graph.node('Mul', [waves, hann])), graph.ints([1])]);
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
