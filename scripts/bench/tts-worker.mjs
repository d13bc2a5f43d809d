// Our side of train-step and decode: a model, and on request the median time of its steps. worker.mjs has the other end.
import { createInterface } from 'node:readline';
import { parseConfig, ttsConfig } from '@align2speak/contracts';
import { Optimizer, setThreads, Tensor, Tts } from '@align2speak/native';
import { median } from './worker.mjs';

await setThreads(Number(process.argv[2]));

let state = 1;
const ints = (shape, below) => {
  const values = Int32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => {
    state = (state * 48271) % 2147483647;
    return state % below;
  });
  return Tensor.from(values, shape);
};
const textOf = (count, length, eos) => {
  const values = Int32Array.from({ length: count * length }, (_, i) => ((i + 1) % length === 0 ? eos : (i * 7) % eos));
  return Tensor.from(values, [count, length]);
};
const all = (count, value) => Tensor.from(new Int32Array(count).fill(value), [count]);

async function promptsOf(c, { text, context }, count) {
  return {
    text: await textOf(count, text, c.textRows - 1),
    textLengths: await all(count, text),
    contextCodes: await ints([count, c.codebooks, context], c.bos),
    contextLengths: await all(count, context),
  };
}

/** A training step of supervised loss: forward, backward, clipping, AdamW; in passes, as `align2speak finetune` takes them. */
async function training(model, c, batch) {
  const optimizer = Optimizer.create(model);
  const { frames } = batch;
  const count = 4;
  const samples = batch.samples / count;
  const passes = [];
  for (let p = 0; p < count; p++) {
    const codes = await ints([samples, c.codebooks, frames], c.bos);
    const input = { ...(await promptsOf(c, batch, samples)), codes, codeLengths: await all(samples, frames) };
    passes.push({ batch: input, loss: { kind: 'supervised', weight: 1 / count } });
  }
  return async () => {
    await model.zeroGrad();
    for (const { logprobs } of await model.lossBackwardEach(passes)) logprobs.dispose();
    await optimizer.step({ lr: 1e-4, clipNorm: 1 });
  };
}

/** Generation of `samples` samples of one prompt, none of which may end early. */
async function generation(model, c, { samples, frames, ...prompt }) {
  const prompts = await promptsOf(c, prompt, 1);
  const sampling = { temperature: 0.7, topK: 80, minFrames: frames };
  return async () => {
    const { codes, lengths, truncated, logprobs, entropy } = await model.generate(prompts, {
      group: samples,
      maxFrames: frames,
      sampling,
    });
    if (codes.shape[2] !== frames) throw new Error(`generate: expected ${frames} frames, got ${codes.shape[2]}`);
    for (const tensor of [codes, lengths, truncated, logprobs, entropy]) tensor.dispose();
  };
}

let step;
let parameters;

async function answer({ task, config, batch, steps }) {
  if (!step) {
    const c = parseConfig(ttsConfig, config, 'bench');
    const model = await Tts.create(c, { bf16: process.argv[3] === 'bf16' });
    parameters = model.parameters().reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
    step = await (task === 'train' ? training : generation)(model, c, batch);
    await step();
  }
  const times = [];
  for (let i = 0; i < steps; i++) {
    const start = performance.now();
    await step();
    times.push(performance.now() - start);
  }
  return { ms: median(times), parameters, rssMiB: process.resourceUsage().maxRSS / 1024 };
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await answer(JSON.parse(line))));
}
