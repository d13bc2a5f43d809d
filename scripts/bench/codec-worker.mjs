// A side of the codec's suite, ours or onnxruntime: a codec of random weights, and on request the time of a task.
import { createInterface } from 'node:readline';
import { decoderToOnnx } from '@align2speak/codec';
import { Codec, Optimizer, setThreads, Tensor } from '@align2speak/native';
import { InferenceSession, Tensor as OnnxTensor } from 'onnxruntime-node';
import { median } from './worker.mjs';

const [side, threads] = process.argv.slice(2);
const name = side === 'onnxruntime' ? `onnxruntime ${(await import('onnxruntime-node')).env.versions.common}` : side;
await setThreads(Number(threads));

const codesOf = ({ groups, levels }, count) => {
  const codes = levels.reduce((a, b) => a * b, 1);
  return Int32Array.from({ length: groups * count }, (_, i) => (i * 7919) % codes);
};

async function weightsOf(codec) {
  const read = async ([key, tensor]) => [key, { shape: tensor.shape, data: await tensor.toArray() }];
  return Object.fromEntries(await Promise.all(Object.entries(await codec.state()).map(read)));
}

/** Tasks of ours: each makes its inputs, and returns what is timed. */
const ours = {
  async decode(codec, { items, frames }) {
    const codes = await Tensor.from(codesOf(codec.config, items * frames), [items, codec.config.groups, frames]);
    return async () => (await codec.decode(codes)).dispose();
  },
  async stream(codec, { items, frames, portion }) {
    const stream = await codec.stream(items);
    const codes = await Tensor.from(codesOf(codec.config, items * portion), [items, codec.config.groups, portion]);
    return async () => {
      for (let at = 0; at < frames; at += portion) (await stream.decode(codes)).dispose();
    };
  },
  async encode(codec, batch) {
    const wav = await wavOf(codec, batch);
    return async () => {
      const { codes, frames } = await codec.encode(wav);
      codes.dispose();
      frames.dispose();
    };
  },
  async train(codec, batch) {
    const optimizer = Optimizer.create(codec);
    const wav = await wavOf(codec, batch);
    return async () => {
      await codec.zeroGrad();
      const { loss: _, ...tensors } = await codec.lossBackward({ wav }, { mel: 1, stft: 20 });
      for (const tensor of Object.values(tensors)) tensor.dispose();
      await optimizer.step({ lr: 1e-4 });
    };
  },
};

function wavOf({ config }, { items, frames }) {
  const samples = frames * config.downSampleRates.reduce((a, b) => a * b, 1);
  const wav = Float32Array.from({ length: items * samples }, (_, i) => 0.5 * Math.sin(i / 9) * Math.sin(i / 4001));
  return Tensor.from(wav, [items, samples]);
}

async function peer(codec, { items, frames }) {
  const { groups } = codec.config;
  const model = decoderToOnnx(codec.config, await weightsOf(codec));
  const session = await InferenceSession.create(model, { intraOpNumThreads: Number(threads), interOpNumThreads: 1 });
  const data = BigInt64Array.from(codesOf(codec.config, items * frames), BigInt);
  const codes = new OnnxTensor('int64', data, [items, groups, frames]);
  return () => session.run({ codes });
}

let task;
let parameters;
for await (const line of createInterface({ input: process.stdin })) {
  const { config, ...batch } = JSON.parse(line);
  if (!task) {
    const codec = await Codec.create(config);
    parameters = codec.parameters().reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
    task = await (side === 'onnxruntime' ? peer : ours[batch.task])(codec, batch);
    await task();
  }
  const times = [];
  const start = performance.now();
  while (times.length < 1 || (performance.now() - start < 300 && times.length < 9)) {
    const begin = performance.now();
    await task();
    times.push(performance.now() - begin);
  }
  console.log(JSON.stringify({ name, ms: median(times), parameters, rssMiB: process.resourceUsage().maxRSS / 1024 }));
}
