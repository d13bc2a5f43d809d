import type { CodecConfig } from '@align2speak/contracts';
import { type NamedWeights, OnnxGraph, weightOf } from '@align2speak/weights';

/**
 * The decoder of a codec as an ONNX file: `codes` i64 [B, K, T] to `wav` f32 [B, T·hop] in [-1, 1].
 *
 * It is causal: samples up to frame t depend on no later frame, so that what follows an item's own frames is cut off.
 * @returns the bytes of the file
 * @throws CheckpointError on a missing weight, ShapeError on one of another shape.
 * @see native/codec/decoder.cc, the same network
 */
export function decoderToOnnx(config: CodecConfig, weights: NamedWeights): Uint8Array<ArrayBuffer> {
  const graph = new OnnxGraph('codec decoder');
  const decoder = new Decoder(graph, weights);
  const { groups, latent, upSampleRates, resKernels, resDilations } = config;
  graph.input('codes', 'i64', ['batch', groups, 'frames']);
  let x = dequantized(graph, config);
  let channels = config.decoderChannels;
  x = decoder.conv(x, 'pre_conv', [channels, latent, 7]);
  for (const [i, rate] of upSampleRates.entries()) {
    x = decoder.upSample(
      decoder.activate(x, `activations.${i}`, channels),
      `up_sample_conv_layers.${i}`,
      channels,
      rate,
    );
    channels /= 2;
    const chains = resKernels.map((kernel, j) =>
      resDilations.reduce(
        (y, dilation, m) =>
          decoder.resBlock(y, `res_layers.${i}.res_blocks.${j}.res_blocks.${m}`, { channels, kernel, dilation }),
        x,
      ),
    );
    x = chains.length === 1 ? chains[0]! : graph.node('Mean', chains);
  }
  x = decoder.conv(decoder.activate(x, 'post_activation', channels), 'post_conv', [1, channels, 3]);
  x = graph.node('Clip', [x, graph.scalar(-1), graph.scalar(1)]);
  graph.node('Squeeze', [x, graph.ints([1])], {}, 'wav');
  graph.output('wav', 'f32', ['batch', 'samples']);
  return graph.encode({});
}

/** Values [B, K·D, T] of the codes: digit d of a code counts the steps of scalar d. */
function dequantized(graph: OnnxGraph, { levels, latent }: CodecConfig): string {
  const bases = levels.map((_, d) => levels.slice(0, d).reduce((product, level) => product * level, 1));
  const halves = levels.map((level) => Math.floor(level / 2));
  const column = (values: readonly number[]) =>
    graph.tensor('i64', [1, 1, values.length, 1], BigInt64Array.from(values, BigInt));
  const digits = graph.node('Div', [graph.node('Unsqueeze', ['codes', graph.ints([2])]), column(bases)]);
  const steps = graph.node('Sub', [graph.node('Mod', [digits, column(levels)]), column(halves)]);
  const half = graph.tensor('f32', [1, 1, levels.length, 1], Float32Array.from(halves));
  const values = graph.node('Div', [graph.node('Cast', [steps], { to: 1 }), half]);
  return graph.node('Reshape', [values, graph.ints([0, latent, -1])]);
}

/** Layers over [B, C, T] that find their weights by name. */
class Decoder {
  readonly #graph: OnnxGraph;
  readonly #weights: NamedWeights;

  constructor(graph: OnnxGraph, weights: NamedWeights) {
    this.#graph = graph;
    this.#weights = weights;
  }

  conv(x: string, stem: string, shape: [number, number, number], dilation = 1): string {
    const inputs = [x, this.#normed(`${stem}.conv`, shape), this.#weight(`${stem}.conv.bias`, [shape[0]])];
    return this.#graph.node('Conv', inputs, { dilations: [dilation], pads: [(shape[2] - 1) * dilation, 0] });
  }

  upSample(x: string, stem: string, channels: number, rate: number): string {
    const group = channels / 2;
    const weight = this.#normed(`${stem}.conv`, [channels, 1, 2 * rate]);
    const inputs = [x, weight, this.#weight(`${stem}.conv.bias`, [group])];
    return this.#graph.node('ConvTranspose', inputs, { strides: [rate], group, pads: [0, rate] });
  }

  /** Half of the channels through a snake, the others through a leaky ReLU. */
  activate(x: string, stem: string, channels: number): string {
    const half = Math.floor(channels / 2);
    const graph = this.#graph;
    const part = (begin: number, end: number) =>
      graph.node('Slice', [x, graph.ints([begin]), graph.ints([end]), graph.ints([1])]);
    const values = this.#find(`${stem}.activation.snake_act.alpha`, [1, half, 1]);
    const alpha = graph.tensor('f32', [1, half, 1], values);
    const inverse = graph.tensor(
      'f32',
      [1, half, 1],
      values.map((value) => 1 / (value + 1e-9)),
    );
    const waved = part(0, half);
    const sine = graph.node('Sin', [graph.node('Mul', [alpha, waved])]);
    const snake = graph.node('Add', [waved, graph.node('Mul', [graph.node('Mul', [sine, sine]), inverse])]);
    const leaky = graph.node('LeakyRelu', [part(half, channels)], { alpha: { float: 0.01 } });
    return graph.node('Concat', [snake, leaky], { axis: 1 });
  }

  resBlock(
    x: string,
    stem: string,
    { channels, kernel, dilation }: { channels: number; kernel: number; dilation: number },
  ): string {
    const shape: [number, number, number] = [channels, channels, kernel];
    const inner = this.conv(
      this.activate(x, `${stem}.input_activation`, channels),
      `${stem}.input_conv`,
      shape,
      dilation,
    );
    const skip = this.conv(this.activate(inner, `${stem}.skip_activation`, channels), `${stem}.skip_conv`, shape);
    return this.#graph.node('Add', [x, skip]);
  }

  /** g v / |v|, rows of v along its first axis. */
  #normed(stem: string, shape: readonly number[]): string {
    const name = `${stem}.parametrizations.weight.original`;
    const lengths = this.#find(`${name}0`, [shape[0]!, 1, 1]);
    const weight = Float32Array.from(this.#find(`${name}1`, shape));
    const row = weight.length / lengths.length;
    for (const [a, length] of lengths.entries()) {
      const values = weight.subarray(a * row, (a + 1) * row);
      const factor = length / Math.hypot(...values);
      for (let i = 0; i < row; i++) values[i]! *= factor;
    }
    return this.#graph.tensor('f32', shape, weight);
  }

  #weight(name: string, shape: readonly number[]): string {
    return this.#graph.tensor('f32', shape, this.#find(name, shape));
  }

  #find(stem: string, shape: readonly number[]): Float32Array {
    return weightOf(this.#weights, 'codec', `audio_decoder.${stem}`, shape);
  }
}
