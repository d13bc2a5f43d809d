import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError } from '@align2speak/contracts';
import { loadConfig, type StageName, stageSchema, stages } from '@align2speak/train';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { learningRate, loopFields } from '../src/config.js';
import { configsOf, makeProject, type Project, writeTts } from './fixtures/project.js';
import { runQuietly, writeConfig } from './fixtures/runs.js';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'config-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const entry = z.strictObject({ name: z.string().optional(), use: z.string().optional(), weight: z.number() });
const schema = z.strictObject({ ...loopFields, list: z.array(entry).default([]) });
const fileWith = (text: string) => {
  const path = join(folder, 'c.yaml');
  writeFileSync(path, text);
  return path;
};

describe('loadConfig', () => {
  it('fills in defaults, and puts settings over the file', async () => {
    const path = fileWith('steps: 7\nlr: 1.0e-3\nlist: [{ weight: 1 }, { weight: 2 }]\n');
    const config = await loadConfig(schema, path, ['lr=2e-4', 'decay=linear', 'list.1.weight=0.5']);
    expect(config).toMatchObject({
      steps: 7,
      lr: 2e-4,
      decay: 'linear',
      beta2: 0.98,
      list: [{ weight: 1 }, { weight: 0.5 }],
    });
    expect(await loadConfig(schema, undefined, ['steps=1', 'lr=1'])).toMatchObject({ steps: 1, lr: 1 });
  });

  it('appends to a list with +=', async () => {
    const path = fileWith('steps: 7\nlr: 1.0e-3\nlist: [{ weight: 1 }]\n');
    const more = ['list+={ weight: 2 }', 'list+={ weight: 3 }'];
    expect((await loadConfig(schema, path, more)).list).toEqual([{ weight: 1 }, { weight: 2 }, { weight: 3 }]);
    expect((await loadConfig(schema, undefined, ['steps=1', 'lr=1', more[0]!])).list).toEqual([{ weight: 2 }]);
  });

  it('calls an entry of a list by its name, or by what it uses', async () => {
    const path = fileWith('steps: 7\nlr: 1\nlist: [{ use: cer, weight: 1 }, { use: cer, name: watch, weight: 2 }]\n');
    const { list } = await loadConfig(schema, path, ['list.watch.weight=3', 'list.cer.weight=4']);
    expect(list.map(({ weight }) => weight)).toEqual([4, 3]);
  });

  const good = 'steps: 7\nlr: 1\n';
  it.each([
    ['an unknown field', `${good}stepz: 1\n`, [], /c\.yaml: stepz: expected fields that exist, got unknown ones$/],
    ['another type', 'steps: many\nlr: 1\n', [], /c\.yaml: steps: expected (a number|an integer), got "many"$/],
    ['a missing field', 'lr: 1\n', [], /c\.yaml: steps: expected (a number|an integer), got nothing$/],
    ['a number out of range', 'steps: 0\nlr: 1\n', [], /c\.yaml: steps: expected at least 1, got 0$/],
    ['several faults', 'steps: 0\nlr: -1\n', [], /c\.yaml: steps: .*\nhint: also wrong: lr$/s],
    ['an unknown setting', good, ['a.b=1'], /c\.yaml: a: expected fields that exist/],
    ['a setting without a value', good, ['lr'], /^--set: lr: expected path\.to\.field=value, got no =$/],
    ['a setting that is no YAML', good, ['lr=[1'], /^--set lr=\[1: YAML: expected valid syntax, got /],
    [
      'a name for a place in a list',
      `${good}list: []\n`,
      ['list.first.weight=1'],
      /^--set list\.first\.weight=1: first: expected a number, the place in the list, got first$/,
    ],
    [
      'a name that no entry of a list has',
      `${good}list: [{ use: cer, weight: 1 }, { weight: 2 }]\n`,
      ['list.ssim.weight=1'],
      /^--set list\.ssim\.weight=1: ssim: expected a number, the place in the list, or cer, got ssim$/,
    ],
    ['an entry more of what is no list', good, ['lr+=1'], /^--set lr\+=1: lr: expected a list, for \+=, got number$/],
    ['a setting below a number', good, ['lr.x=1'], /c\.yaml: lr: expected a number, got \{"x":1\}$/],
    ['a prototype', good, ['__proto__.x=1'], /^--set __proto__\.x=1: __proto__: expected a field's name, got /],
    ['broken YAML', 'steps: [1\n', [], /c\.yaml: YAML: expected valid syntax, got /],
    ['a list', '- 1\n', [], /c\.yaml: file: expected fields, got a list$/],
  ])('refuses %s with one error', async (_, text, settings, message) => {
    const failed = loadConfig(schema, fileWith(text), settings);
    await expect(failed).rejects.toThrow(ConfigError);
    await expect(failed).rejects.toThrow(message);
    expect(Object.prototype).not.toHaveProperty('x');
  });

  it('names a file that is not there', () =>
    expect(loadConfig(schema, join(folder, 'none.yaml'))).rejects.toThrow(
      /none\.yaml: file: expected a YAML file, got ENOENT/,
    ));
});

it('the rate rises over the warm-up and falls to its share', () => {
  const config = z.strictObject(loopFields).parse({ steps: 100, lr: 2, warmupSteps: 10, lrFinal: 0.1 });
  const at = (decay: 'constant' | 'linear' | 'cosine', step: number) => learningRate({ ...config, decay }, step);
  for (const decay of ['constant', 'linear', 'cosine'] as const) {
    expect(at(decay, 0)).toBeCloseTo(0.2, 12);
    expect(at(decay, 9)).toBe(2);
    expect(at(decay, 10)).toBe(2);
  }
  expect(at('constant', 99)).toBe(2);
  expect(at('linear', 55)).toBeCloseTo(2 * (0.1 + 0.9 / 2), 12);
  expect(at('cosine', 55)).toBeCloseTo(2 * (0.1 + 0.9 / 2), 12);
  expect(at('linear', 100)).toBeCloseTo(0.2, 12);
  expect(at('cosine', 100)).toBeCloseTo(0.2, 12);
});

it.each(Object.keys(stages) as StageName[])('%s has a JSON Schema of every field, closed to others', (name) => {
  const { properties, additionalProperties } = stageSchema(name) as {
    properties: object;
    additionalProperties: boolean;
  };
  expect(Object.keys(properties)).toEqual(expect.arrayContaining(Object.keys(loopFields)));
  expect(additionalProperties).toBe(false);
});

it('other speeds are refused for a speaker net, and taken for a recogniser', async () => {
  const settings = ['codec=c', 'train=[t]', 'validation=[v]', 'steps=1', 'lr=1e-3'];
  const load = (kind: string, speeds: string) =>
    loadConfig(stages.judge.schema, undefined, [...settings, `kind=${kind}`, `speeds=${speeds}`]);
  await expect(load('speaker', '[0.9, 1.1]')).rejects.toThrow(
    /speeds: expected \[1, 1\] for a speaker net, .*, got \[0\.9,1\.1\]/,
  );
  await expect(load('recogniser', '[1.1, 0.9]')).rejects.toThrow(
    /speeds: expected the lower bound first, got \[1\.1,0\.9\]/,
  );
  expect(await load('recogniser', '[0.9, 1.1]')).toMatchObject({ speeds: [0.9, 1.1] });
});

describe('a stage refuses what cannot work before it encodes any speech', () => {
  let project: Project;
  beforeAll(async () => {
    project = await makeProject();
    writeFileSync(project.path('empty.jsonl'), '\n');
    writeFileSync(project.path('half.jsonl'), '{"text": "a", "ipa": "a"}\n');
    await writeTts(project.path('other-tts'), { codebooks: 3 });
    await writeTts(project.path('fewer-codes'), { bos: 8, eos: 10 });
    mkdirSync(project.path('nothing'));
  });
  afterAll(() => project.remove());

  const judge = (changes: object) => (p: Project) => ({
    rewards: [
      { use: 'cer', judge: p.judges.recogniser, weight: 1 },
      { use: 'ssim', judge: p.judges.speaker, ...changes },
    ],
  });
  const policy: [string, (p: Project) => object, RegExp][] = [
    [
      'missing texts',
      (p) => ({ texts: [p.path('none.jsonl')] }),
      /none\.jsonl: manifest: expected a readable file, got ENOENT/,
    ],
    [
      'empty texts',
      (p) => ({ texts: [p.path('empty.jsonl')] }),
      /empty\.jsonl: manifest: expected at least one line, got none/,
    ],
    [
      'texts without a language',
      (p) => ({ texts: [p.path('half.jsonl')] }),
      /half\.jsonl:1: lang: expected a string, got nothing/,
    ],
    ['missing voices', (p) => ({ voices: [p.path('none.jsonl')] }), /none\.jsonl: manifest/],
    ['a missing validation manifest', (p) => ({ validation: [p.path('none.jsonl')] }), /none\.jsonl: manifest/],
    [
      'a judge of the wrong kind',
      (p) => judge({ judge: p.judges.recogniser })(p),
      /recogniser\.onnx: kind: expected speaker, got recogniser/,
    ],
    ['a missing judge', judge({ judge: '/none.onnx' }), /\/none\.onnx: file: .*ENOENT/],
    [
      'a reward without its judge',
      judge({ judge: undefined }),
      /rewards: judge of ssim: expected an ONNX file, got nothing/,
    ],
    ['an unknown reward', judge({ use: 'charm' }), /rewards: .*charm/],
    [
      'a missing plug-in',
      judge({ use: '/none.js', judge: undefined }),
      /\/none\.js: file: expected a module that can be imported/,
    ],
    [
      'two rewards of one name',
      (p) => judge({ use: 'cer', judge: p.judges.heldOut })(p),
      /rewards: cer: expected one of this name, got two/,
    ],
    [
      'a model with other codebooks',
      (p) => ({ init: p.path('other-tts') }),
      /other-tts: codes: expected 2 codebooks of 9 codes, as the codec has, got 3 of 9/,
    ],
    [
      'a model of fewer codes',
      (p) => ({ init: p.path('fewer-codes') }),
      /fewer-codes: codes: expected 2 codebooks of 9 codes, as the codec has, got 2 of 8/,
    ],
    [
      'a folder without a model',
      (p) => ({ init: p.path('nothing') }),
      /nothing\/model\.json: file: expected a model, got ENOENT/,
    ],
    ['a codec in place of the model', (p) => ({ init: p.codec }), /codec\/model\.json: kind: expected tts, got codec/],
  ];
  const supervised: [string, (p: Project) => object, RegExp][] = [
    [
      'a missing manifest',
      (p) => ({ train: [{ manifest: p.train }, { manifest: p.path('none.jsonl') }] }),
      /none\.jsonl: manifest/,
    ],
    ['a missing validation manifest', (p) => ({ validation: [p.path('none.jsonl')] }), /none\.jsonl: manifest/],
    [
      'a language that is not there',
      () => ({ selectBy: ['xx'] }),
      /selectBy: expected languages of the validation manifests \((en, pt|pt, en)\), got xx/,
    ],
    ['a model with other codebooks', (p) => ({ init: p.path('other-tts') }), /other-tts: codes: /],
    [
      'a missing codec',
      (p) => ({ codec: p.path('nothing') }),
      /nothing\/model\.json: file: expected a model, got ENOENT/,
    ],
    ['neither init nor model', () => ({ init: undefined }), /init, model: expected one of the two, got neither/],
  ];
  const codec: [string, (p: Project) => object, RegExp][] = [
    [
      'speech at another rate',
      (p) => ({ model: { ...configsOf(p).codec.model, sampleRate: 16_000 } }),
      /\.wav: sample rate: expected 16000 Hz, got 8000 Hz/,
    ],
    ['both init and model', (p) => ({ init: p.codec }), /init, model: expected one of the two, got both/],
    ['a new encoder frozen', () => ({ frozenEncoder: true }), /frozenEncoder: expected init, .*, got no init/],
    [
      'a frozen encoder that decays',
      (p) => ({ model: undefined, init: p.codec, frozenEncoder: true, weightDecay: 0.1 }),
      /frozenEncoder: expected .* no weightDecay, .*, got weightDecay 0\.1/,
    ],
    [
      'discriminators without a network',
      () => ({ adversarial: { networks: { periods: [], bandEdges: [0] } } }),
      /discriminators: periods and bands: expected at least one network/,
    ],
  ];
  const cases = [
    ...(['grpo', 'dpo'] as const).flatMap((name) => policy.map((row) => [name, ...row] as const)),
    ...supervised.map((row) => ['finetune', ...row] as const),
    ...codec.map((row) => ['codec', ...row] as const),
  ];
  it.each(cases)('%s: %s', async (name, _, changes, message) => {
    const config = writeConfig(project, { ...configsOf(project)[name], ...changes(project) });
    await expect(runQuietly(name, { config, out: project.path('out') })).rejects.toThrow(message);
    expect(() => readFileSync(project.path('train/.codes'))).toThrow('ENOENT');
  });

  it('and a run keeps its configuration with all defaults', async () => {
    const out = project.path('kept');
    await runQuietly('codec', {
      config: writeConfig(project, configsOf(project).codec),
      set: ['lr=1e-4', 'steps=1'],
      out,
    });
    const [json, yaml] = [
      JSON.parse(readFileSync(join(out, 'config.json'), 'utf8')),
      parse(readFileSync(join(out, 'config.yaml'), 'utf8')),
    ];
    expect(json).toMatchObject({ stage: 'codec', lr: 1e-4, beta2: 0.98, loss: { waveform: 0, mel: 1 } });
    expect({ stage: 'codec', ...yaml }).toEqual(json);
  });
});
