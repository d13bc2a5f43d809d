// The codec in f32, of the published size and as shipped: decoding alone and in batches, encoding, decoding in portions as codes
// come, a training step. Peers: the decoder in onnxruntime, from our own ONNX file, and with --vs torch the codec in PyTorch. The
// roof is that of the convolutions.
import { codecConfig, parseConfig } from '@align2speak/contracts';
import { besidePeaks, chosenOf, columnsOf, measureSides, nodeSide, torchSides } from './suite.mjs';
import { findTorch } from './worker.mjs';

const tiny = {
  ...{ encoderChannels: 12, decoderChannels: 256, downSampleRates: [4, 4, 8, 8], upSampleRates: [8, 8, 4, 4] },
  ...{ latent: 24, levels: [5, 5, 5], resKernels: [3], resDilations: [1, 3] },
};
const sizes = [
  ['published', parseConfig(codecConfig, {}, 'bench')],
  ['tiny', parseConfig(codecConfig, tiny, 'bench')],
];
/** Frames of 46 ms. */
const tasks = [
  { name: 'decode, 1 x 3 s', task: 'decode', items: 1, frames: 65, peers: ['onnxruntime', 'torch'] },
  { name: 'decode, 12 x 1.5 s', task: 'decode', items: 12, frames: 32, peers: ['onnxruntime', 'torch'] },
  { name: 'stream, portions of 4 frames', task: 'stream', items: 1, frames: 64, portion: 4, peers: ['torch'] },
  { name: 'stream, portions of 1 frame', task: 'stream', items: 1, frames: 64, portion: 1, peers: ['torch'] },
  { name: 'encode, 12 x 1.5 s', task: 'encode', items: 12, frames: 32, peers: ['torch'] },
  { name: 'training step, 1 x 1.1 s', task: 'train', items: 1, frames: 24, peers: ['torch'] },
];

export const columns = columnsOf('x real time', 'peer x', 1);

/** FLOPs of the residual layers and of what `ends` adds, for one frame: `stages` are [rows a frame, channels]. */
function convolutions(stages, kernels, dilations, ends) {
  const taps = kernels.reduce((sum, kernel) => sum + kernel, 0) * dilations.length * 2;
  return stages.reduce((sum, [rows, channels]) => sum + 2 * rows * channels ** 2 * taps, ends);
}

function decoderFlops({ latent, decoderChannels, upSampleRates, resKernels, resDilations }) {
  let [rows, channels, ends] = [1, decoderChannels, 2 * 7 * latent * decoderChannels];
  const stages = upSampleRates.map((rate) => {
    rows *= rate;
    channels /= 2;
    ends += 2 * rows * channels * 4;
    return [rows, channels];
  });
  return convolutions(stages, resKernels, resDilations, ends + 2 * rows * channels * 3);
}

function encoderFlops({ latent, encoderChannels, downSampleRates, resKernels, resDilations }) {
  let rows = downSampleRates.reduce((a, b) => a * b, 1);
  let [channels, ends] = [encoderChannels, 2 * rows * encoderChannels * 7];
  const stages = downSampleRates.map((rate) => {
    const stage = [rows, channels];
    rows /= rate;
    ends += 2 * rows * channels * 2 * channels * 2 * rate;
    channels *= 2;
    return stage;
  });
  return convolutions(stages, resKernels, resDilations, ends + 2 * channels * latent * 7);
}

/** Backward counts as twice forward; spectra are left out. */
const flopsOf = (config, task) =>
  ({
    encode: encoderFlops(config),
    train: 3 * (encoderFlops(config) + decoderFlops(config)),
  })[task] ?? decoderFlops(config);

/** Answers of ours and of the peers that know the task. */
async function measure(config, { peers = [], ...batch }, { torch, threads, quick }) {
  const node = (side) => nodeSide(side, 'codec-worker.mjs', side, String(threads));
  const ours = ['align2speak', ...peers.filter((peer) => peer === 'onnxruntime')];
  const theirs = torch && peers.includes('torch') ? torchSides(torch, 'codec.py', threads) : [];
  const workers = [...ours.map(node), ...theirs.map(({ start }) => start())];
  const answers = await measureSides(workers, { config, ...batch }, { quick });
  return answers.map((answer, i) => ({ name: theirs[i - ours.length]?.name, ...answer }));
}

export async function run({ vs, threads, wanted, quick, progress }) {
  const torch = findTorch(vs);
  const cases = sizes.flatMap(([size, config]) =>
    tasks.map(({ name, ...batch }) => ({ name: `${size}: ${name}`, config, batch })),
  );
  return besidePeaks(chosenOf(cases, wanted), { threads, progress }, async ({ config, batch }) => {
    const [ours, ...peers] = await measure(config, batch, { torch, threads, quick });
    const frames = batch.items * batch.frames;
    const hop = config.upSampleRates.reduce((a, b) => a * b, 1);
    const work = { flops: frames * flopsOf(config, batch.task), bytes: 0 };
    const count = (frames * hop) / config.sampleRate;
    return (peers.length > 0 ? peers : [undefined]).map((peer) => ({ unit: 'x real time', count, work, ours, peer }));
  });
}
