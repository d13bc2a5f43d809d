import { CheckpointError, ConfigError, type JudgeConfig } from '@align2speak/contracts';
import { floatBytes, type NamedWeights, OnnxGraph, weightOf } from '@align2speak/weights';
import { type JudgeInfo, judgeKinds, metadataKey } from './judge-info.js';
import { melFrames, positions } from './mel-onnx.js';

/** What is said of a judge beside its network. */
export interface JudgeCard {
  readonly name: string;
  /** Recognisers: the IPA character of each label after the blank, which is label 0. */
  readonly symbols?: readonly string[] | undefined;
  /** What was measured of it, for the reader: numbers by name. */
  readonly measured?: Readonly<Record<string, number>> | undefined;
  /** Of the weights in the file: f16 halves it and rounds each weight to 11 bits; arithmetic is f32. Default f32. */
  readonly storage?: 'f32' | 'f16' | undefined;
}

/**
 * A trained judge as an ONNX file that takes waveforms: `wav` f32 [B, S] and `samples` i64 [B] to `logits` [B, T, V] with
 * `frames` i64 [B], `embedding` [B, dim] or `quality` [B] in [0, 1].
 *
 * Every item is what it would be alone: neither padding nor its neighbours change it. Items below one hop of samples have
 * no answer; whoever runs the file keeps them out.
 * @returns the bytes of the file
 * @throws CheckpointError on a missing weight or one the network does not have; ShapeError on one of another shape;
 * ConfigError where symbols and labels disagree.
 * @see native/judge/model.cc, the same network
 */
export function judgeToOnnx(config: JudgeConfig, weights: NamedWeights, card: JudgeCard): Uint8Array<ArrayBuffer> {
  checkSymbols(config, card);
  checkNames(config, weights);
  const graph = new OnnxGraph(card.name);
  const network = new Network(graph, weights, card.storage ?? 'f32');
  const heard = hear(network, config);
  answer(network, heard, config);
  const { name, symbols, measured } = card;
  const info: JudgeInfo = {
    name,
    kind: judgeKinds[config.head.kind],
    sampleRate: config.sampleRate,
    leastSamples: config.hopLength,
    ...(symbols && { symbols }),
    ...(measured && { measured }),
  };
  return graph.encode({ [metadataKey]: JSON.stringify(info) });
}

function checkSymbols({ head }: JudgeConfig, { name, symbols }: JudgeCard): void {
  const refuse = (expected: string, got: string): never => {
    throw new ConfigError({ where: name, what: 'symbols', expected, got });
  };
  if (head.kind !== 'ctc') {
    if (symbols) refuse('none for a judge that recognises nothing', `${symbols.length}`);
    return;
  }
  if (symbols?.length !== head.labels - 1)
    refuse(`${head.labels - 1}, a blank less than labels`, `${symbols?.length ?? 'none'}`);
  if (new Set(symbols).size !== symbols?.length) refuse('each once', 'one twice');
}

/** `classes.weight` serves training alone and may be there or not. */
function checkNames(config: JudgeConfig, weights: NamedWeights): void {
  const blocks = config.dilations.flatMap((_, i) => blockNames.map((name) => `blocks.${i}.${name}`));
  const names = new Set(['frontend.weight', 'frontend.bias', ...blocks, 'norm.weight', 'head.weight', 'head.bias']);
  if (config.head.kind === 'speaker') names.add('classes.weight');
  const foreign = Object.keys(weights).find((name) => !names.has(name));
  if (foreign === undefined) return;
  throw new CheckpointError({
    where: 'judge',
    what: foreign,
    expected: `a weight of a ${config.head.kind} judge`,
    got: 'an unknown name',
  });
}

const blockNames = ['norm.weight', 'conv.weight', 'conv.bias', 'proj.weight', 'proj.bias'];

/** Layers over [B, T, C] that find their weights by name. */
class Network {
  readonly graph: OnnxGraph;
  readonly #weights: NamedWeights;
  readonly #storage: 'f32' | 'f16';

  constructor(graph: OnnxGraph, weights: NamedWeights, storage: 'f32' | 'f16') {
    this.graph = graph;
    this.#weights = weights;
    this.#storage = storage;
  }

  node(op: string, ...inputs: string[]): string {
    return this.graph.node(op, inputs);
  }

  weight(name: string, shape: readonly number[]): string {
    const data = weightOf(this.#weights, 'judge', name, shape);
    // Vectors are few, and more of the result hangs on each of their elements.
    if (this.#storage === 'f32' || shape.length === 1) return this.graph.tensor('f32', shape, data);
    const half = this.graph.tensor('f16', shape, floatBytes(data, 'F16'));
    return this.graph.node('Cast', [half], { to: 1 });
  }

  linear(x: string, name: string, [outputs, inputs]: [number, number]): string {
    const w = this.graph.node('Transpose', [this.weight(`${name}.weight`, [outputs, inputs])], { perm: [1, 0] });
    return this.node('Add', this.node('MatMul', x, w), this.weight(`${name}.bias`, [outputs]));
  }

  layerNorm(x: string, name: string, width: number): string {
    return this.graph.node('LayerNormalization', [x, this.weight(`${name}.weight`, [width])], {
      epsilon: { float: 1e-5 },
    });
  }

  gelu(x: string): string {
    return this.graph.node('Gelu', [x], { approximate: 'tanh' });
  }

  conv(
    x: string,
    name: string,
    { width, kernel, dilation }: { width: number; kernel: number; dilation: number },
  ): string {
    const inputs = [
      this.graph.node('Transpose', [x], { perm: [0, 2, 1] }),
      this.weight(`${name}.weight`, [width, width, kernel]),
      this.weight(`${name}.bias`, [width]),
    ];
    const reach = ((kernel - 1) * dilation) / 2;
    const y = this.graph.node('Conv', inputs, { dilations: [dilation], pads: [reach, reach] });
    return this.graph.node('Transpose', [y], { perm: [0, 2, 1] });
  }
}

/** Rows of the network's body: `x` [B, T, C], zero where `mask` [B, T, 1] is; `frames` [B] i64, the valid rows. */
interface Heard {
  readonly x: string;
  readonly mask: string;
  readonly frames: string;
}

function hear(network: Network, config: JudgeConfig): Heard {
  const { graph } = network;
  const { hopLength, frameStack, nMels, channels, kernel } = config;
  const wav = graph.input('wav', 'f32', ['B', 'S']);
  const samples = graph.input('samples', 'i64', ['B']);
  const hop = graph.ints(hopLength);
  const stack = graph.ints(frameStack);
  const stacked = (mels: string, as?: string) =>
    graph.node('Div', [network.node('Add', mels, graph.ints(frameStack - 1)), stack], {}, as);
  const size = network.node('Squeeze', graph.node('Shape', [wav], { start: 1, end: 2 }));
  const rows = network.node('Mul', stacked(network.node('Div', size, hop)), stack);
  const mel = melFrames(graph, config, { wav, samples, rows, extra: frameStack });
  const melCount = network.node('Div', samples, hop);
  const own = network.node('Mul', mel, validRows(network, mel, melCount));
  const input = network.node('Reshape', own, graph.ints([0, -1, frameStack * nMels]));
  const frames = stacked(melCount, 'frames');
  const mask = validRows(network, input, frames);
  let x = network.gelu(network.linear(input, 'frontend', [channels, frameStack * nMels]));
  x = network.node('Mul', x, mask);
  config.dilations.forEach((dilation, i) => {
    // A norm without bias keeps rows of zeros, so the convolution sees zeros beyond the frames without a mask of its own.
    const normed = network.layerNorm(x, `blocks.${i}.norm`, channels);
    const bent = network.gelu(network.conv(normed, `blocks.${i}.conv`, { width: channels, kernel, dilation }));
    const branch = network.linear(bent, `blocks.${i}.proj`, [channels, channels]);
    x = network.node('Mul', network.node('Add', x, branch), mask);
  });
  return { x: network.layerNorm(x, 'norm', channels), mask, frames };
}

/** [B, T, 1]: 1 in the first `counts` rows of each item of `x` [B, T, .], else 0. */
function validRows({ graph }: Network, x: string, counts: string): string {
  const inside = graph.node('Less', [positions(graph, x, 1), graph.node('Unsqueeze', [counts, graph.ints([1])])]);
  return graph.node('Unsqueeze', [graph.node('Cast', [inside], { to: 1 }), graph.ints([2])]);
}

function answer(network: Network, heard: Heard, { channels, head }: JudgeConfig): void {
  const { graph } = network;
  if (head.kind === 'ctc') {
    const logits = network.linear(heard.x, 'head', [head.labels, channels]);
    graph.node('Identity', [logits], {}, 'logits');
    graph.output('logits', 'f32', ['B', 'T', head.labels]);
    graph.output('frames', 'i64', ['B']);
    return;
  }
  const pooled = statistics(network, heard);
  if (head.kind === 'speaker') {
    const raw = network.linear(pooled, 'head', [head.dim, 2 * channels]);
    const length = graph.node('ReduceL2', [raw, graph.ints([1])]);
    graph.node('Div', [raw, network.node('Max', length, graph.scalar(1e-12))], {}, 'embedding');
    graph.output('embedding', 'f32', ['B', head.dim]);
    return;
  }
  const raw = network.node('Squeeze', network.linear(pooled, 'head', [1, 2 * channels]), graph.ints([1]));
  graph.node('Clip', [raw, graph.scalar(0), graph.scalar(1)], {}, 'quality');
  graph.output('quality', 'f32', ['B']);
}

/** [B, 2 C]: mean and sqrt(variance + 1e-5) of each channel over the valid rows. */
function statistics(network: Network, { x, mask, frames }: Heard): string {
  const { graph } = network;
  const count = graph.node('Unsqueeze', [graph.node('Cast', [frames], { to: 1 }), graph.ints([1])]);
  const meanOf = (rows: string) =>
    network.node('Div', graph.node('ReduceSum', [rows, graph.ints([1])], { keepdims: 0 }), count);
  const mean = meanOf(network.node('Mul', x, mask));
  const centred = network.node('Mul', network.node('Sub', x, network.node('Unsqueeze', mean, graph.ints([1]))), mask);
  const variance = meanOf(network.node('Mul', centred, centred));
  const deviation = network.node('Sqrt', network.node('Add', variance, graph.scalar(1e-5)));
  return graph.node('Concat', [mean, deviation], { axis: 1 });
}
