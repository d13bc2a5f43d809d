import { ConfigError, codecConfig, configJsonSchema, parseConfig, ttsConfig } from '@align2speak/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const messageOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).message;
  }
  throw new Error('nothing was refused');
};
const refusalOfTts = (input: unknown) => messageOf(() => parseConfig(ttsConfig, input, 'tts.json'));
const refusalOfCodec = (input: unknown) => messageOf(() => parseConfig(codecConfig, input, 'codec.json'));

describe('ttsConfig', () => {
  it('defaults to the released model: its parameter counts come out', () => {
    const c = parseConfig(ttsConfig, {}, 'defaults');
    const local = c.localTransformer!;
    const heads = c.codebooks * c.frameStacking;
    const layer = (d: number, ffn: number, kernel: number) => 2 * d + 4 * d * d + 2 * d * ffn * kernel;
    const cross = 2 * c.dModel + 4 * c.dModel * c.crossHeads * c.crossHeadDim;
    const ends = c.maxPositions * c.dModel + c.dModel;
    expect(c.encoderLayers * layer(c.dModel, c.dFfn, c.encoderKernel) + ends).toBe(100_673_280);
    expect(c.decoderLayers * (layer(c.dModel, c.dFfn, c.decoderKernel) + cross) + ends).toBe(91_263_744);
    expect(heads * c.vocab * c.dModel).toBe(24_870_912);
    expect(heads * c.vocab * (c.dModel + 1)).toBe(24_903_296);
    expect(c.textRows * c.dModel).toBe(2_579_712);
    expect(local.layers * layer(local.dModel, local.dFfn, 1) + local.maxPositions * local.dModel).toBe(14_172_672);
  });

  it.each([
    [{ heads: 7 }, 'heads: expected a divisor of dModel (768), got 7'],
    [
      { encoderCausal: false, encoderKernel: 4 },
      'encoderKernel: expected an odd number, because the encoder is not causal, got 4',
    ],
    [{ contextKernel: 2 }, 'contextKernel: expected an odd number, got 2'],
    [{ localTransformer: { heads: 5 } }, 'localTransformer.heads: expected a divisor of its dModel (768), got 5'],
    [{ codebooks: 13 }, 'localTransformer.maxPositions: expected at least codebooks * frameStacking (26), got 18'],
    [{ eos: 2016 }, 'eos: expected an id of its own (bos has 2016), got 2016'],
    [{ mask: 2024 }, 'mask: expected an id below vocab (2024), got 2024'],
    [{ modelType: 'decoder_context' }, 'contextLayers: expected 0: decoder_context has no context encoder, got 1'],
    [{ contextLayers: 0 }, 'contextLayers: expected at least 1 for decoder_ce, got 0'],
    [{ contextDecoderLayers: [1] }, 'contextDecoderLayers: expected [] for decoder_ce, which has one memory, got [1]'],
    [
      { modelType: 'multi_encoder', decoderLayers: 2, transcriptDecoderLayers: [0, 1], contextDecoderLayers: [1] },
      'transcriptDecoderLayers: expected with contextDecoderLayers, each of 0..1 once, got [[0,1],[1]]',
    ],
    [{ dmodel: 8, Heads: 2 }, 'dmodel, Heads: expected fields that exist, got unknown ones'],
    [{ localTransformer: { width: 8 } }, 'localTransformer.width: expected fields that exist, got unknown ones'],
    [{ dModel: '768' }, 'dModel: expected a number, got "768"'],
    [{ dModel: 1.5 }, 'dModel: expected an integer, got 1.5'],
    [{ dModel: Number.NaN }, 'dModel: expected a number, got NaN'],
    [{ dFfn: 2 ** 40 }, 'dFfn: expected at most 1000000, got 1099511627776'],
    [{ dropout: 1 }, 'dropout: expected less than 1, got 1'],
    [{ maskConvention: 'none' }, 'maskConvention: expected "outer" or "query" or "strict", got "none"'],
    [{ encoderCausal: 1 }, 'encoderCausal: expected true or false, got 1'],
    [null, 'configuration: expected an object, got null'],
  ])('refuses %j', (input, message) => {
    expect(refusalOfTts(input)).toBe(`tts.json: ${message}`);
  });

  it('names every field at fault', () => {
    expect(refusalOfTts({ heads: 5, dropout: 2 })).toBe(
      'tts.json: dropout: expected less than 1, got 2\nhint: also wrong: heads',
    );
  });

  it.each([
    { modelType: 'decoder_context', contextLayers: 0 },
    { modelType: 'multi_encoder', decoderLayers: 3, transcriptDecoderLayers: [2, 0], contextDecoderLayers: [1] },
    { localTransformer: null, codebooks: 13, encoderCausal: false, maskConvention: 'query' },
    { encoderKernel: 4 },
  ])('accepts %j', (input) => {
    expect(parseConfig(ttsConfig, input, 'tts.json')).toMatchObject(input);
  });
});

describe('codecConfig', () => {
  it('defaults to the published codec: hop length, codebook size and widths come out', () => {
    const c = parseConfig(codecConfig, {}, 'defaults');
    const product = (values: number[]) => values.reduce((a, b) => a * b);
    expect(product(c.downSampleRates)).toBe(1024);
    expect(product(c.levels)).toBe(2016);
    expect(c.encoderChannels * 2 ** c.downSampleRates.length).toBe(768);
    expect(c.decoderChannels / 2 ** c.upSampleRates.length).toBe(27);
  });

  it.each([
    [{ upSampleRates: [8, 8] }, "upSampleRates: expected rates whose product is the encoder's (1024), got [8,8]"],
    [{ decoderChannels: 48 }, 'decoderChannels: expected a multiple of 32, twice it at least, got 48'],
    [{ decoderChannels: 32 }, 'decoderChannels: expected a multiple of 32, twice it at least, got 32'],
    [{ latent: 31 }, 'latent: expected groups * levels.length (32), got 31'],
    [{ resKernels: [3, 4] }, 'resKernels: expected odd kernels, got 4'],
    [{ resDilations: [] }, 'resDilations: expected at least 1 entries, got []'],
    [{ levels: [8, 7, 6, 1] }, 'levels.3: expected at least 2, got 1'],
    [
      { levels: [1000, 1000, 1000, 2] },
      'levels: expected a product of at most 16777216, so that f32 arithmetic holds each code, got [1000,1000,1000,2]',
    ],
    [{ padding: 3 }, 'padding: expected fields that exist, got unknown ones'],
  ])('refuses %j', (input, message) => {
    expect(refusalOfCodec(input)).toBe(`codec.json: ${message}`);
  });

  it('accepts the 12.5 frames/s geometry, whose strides are odd', () => {
    const input = {
      downSampleRates: [2, 3, 6, 7, 7],
      upSampleRates: [7, 7, 6, 3, 2],
      groups: 13,
      latent: 52,
    };
    expect(parseConfig(codecConfig, input, 'codec.json')).toMatchObject(input);
  });
});

describe('parseConfig', () => {
  it.each([
    ['ttsConfig', ttsConfig],
    ['codecConfig', codecConfig],
  ])('turns any JSON value into a complete %s or a ConfigError', (_, schema) => {
    const fields = Object.keys(schema.shape);
    const field = fc.oneof(fc.constantFrom(...fields), fc.string());
    const input = fc.oneof(
      fc.jsonValue(),
      fc.dictionary(field, fc.oneof(fc.jsonValue(), fc.integer({ min: -2, max: 64 }))),
    );
    fc.assert(
      fc.property(input, (value) => {
        try {
          expect(Object.keys(parseConfig(schema, value, 'any.json')).sort()).toEqual([...fields].sort());
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigError);
          expect((error as Error).message).toMatch(/^any\.json: .+: expected .+, got .+/s);
        }
      }),
    );
  });
});

describe('configJsonSchema', () => {
  it('describes what a user may write', () => {
    const schema = configJsonSchema(ttsConfig);
    expect(schema).toMatchObject({ type: 'object', additionalProperties: false });
    expect(schema.required).toBeUndefined();
    expect(schema.properties).toMatchObject({
      dModel: { type: 'integer', default: 768, minimum: 1 },
      modelType: { enum: ['decoder_ce', 'decoder_context', 'multi_encoder'] },
    });
  });
});
