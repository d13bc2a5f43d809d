// The codec: what it must keep whatever its weights are.
#include <cmath>

#include "codec/passes.h"
#include "codec/stream.h"
#include "ops/fsq/fsq.h"
#include "optim/optimizer.h"
#include "test/test.h"

namespace a2s::test {
namespace {

CodecConfig small_config() {
  CodecConfig c;
  c.encoder_channels = 3, c.decoder_channels = 28;
  c.down_sample_rates = {3, 2}, c.up_sample_rates = {2, 3};
  c.groups = 2, c.levels = {8, 7, 6};
  return c;
}

Tensor random_codes(Arena& arena, const CodecConfig& c, int64_t B, int64_t T, uint64_t seed = 3) {
  Tensor t = new_tensor(arena, DType::i32, {B, c.groups, T});
  const Rng rng{seed, static_cast<uint32_t>(Stream::test)};
  for (int64_t i = 0; i < t.size(); ++i)
    t.as<int32_t>()[i] = static_cast<int32_t>(rng.uniform(1, i) * static_cast<double>(c.codebook_size()));
  return t;
}

Tensor random_audio(Arena& arena, int64_t B, int64_t S) {
  Tensor t = new_tensor(arena, DType::f32, {B, S});
  for (int64_t i = 0; i < t.size(); ++i) t.as<float>()[i] = static_cast<float>(0.3 * Rng{4, 5}.normal(2, i));
  return t;
}

Tensor ints_of(Arena& arena, std::initializer_list<int32_t> values) {
  Tensor t = new_tensor(arena, DType::i32, {static_cast<int64_t>(values.size())});
  std::copy(values.begin(), values.end(), t.as<int32_t>());
  return t;
}

/** Frames [begin, end) of [B, G, T] codes. */
Tensor portion(Arena& arena, const Tensor& codes, int64_t begin, int64_t end) {
  Tensor t = new_tensor(arena, DType::i32, {codes.dims[0], codes.dims[1], end - begin});
  for (int64_t line = 0; line < codes.dims[0] * codes.dims[1]; ++line)
    std::copy_n(codes.as<int32_t>() + line * codes.dims[2] + begin, end - begin, t.as<int32_t>() + line * (end - begin));
  return t;
}

/** In one call. */
Tensor decoded(Arena& arena, const Codec& codec, const Tensor& codes, const Tensor& frames = {}) {
  Tape tape(test_context(), arena, Tape::Mode::infer);
  return codec.decode(tape, codec.dequantise(tape, codes, frames), frames)->value;
}

template <class T>
bool equal(const T* a, const T* b, int64_t n) {
  return !std::memcmp(a, b, static_cast<size_t>(n) * sizeof(T));
}

}  // namespace

TEST(codec_of_published_size_has_the_published_tensors) {
  // Declared, not allocated. The published checkpoint: 1000 tensors, of which 288 are discriminators and 18 buffers of losses.
  Params encoder(DType::f32), decoder(DType::f32);
  const CodecConfig config;
  Declarer e(encoder, "audio_encoder."), d(decoder, "audio_decoder.");
  Encoder(e, config), Decoder(d, config);
  auto count = [](const Params& params, bool lengths) {
    int64_t n = 0;
    for (const Param& p : params.list())
      if (lengths || !p.name.ends_with("original0")) n += p.value.size();
    return n;
  };
  CHECK(encoder.list().size() == 291 && decoder.list().size() == 387);
  CHECK(encoder.list().size() + decoder.list().size() + 2 * static_cast<size_t>(config.groups) == 1000 - 288 - 18);
  CHECK(std::llround(static_cast<double>(count(encoder, true)) / 1e5) == 310);   // 31.0 M
  CHECK(std::llround(static_cast<double>(count(decoder, false)) / 1e4) == 3156);  // 31.56 M once weights are folded
}

TEST(codec_config_is_checked_across_fields) {
  CodecConfig c = small_config();
  c.up_sample_rates = {2, 2};
  CHECK_THROWS(Codec(c, DType::f32, 0), "codec config: up_sample_rates: expected the product of down_sample_rates, 6, got 4");
  c = small_config();
  c.decoder_channels = 30;
  CHECK_THROWS(Codec(c, DType::f32, 0), "codec config: decoder_channels: expected a multiple of 4, twice it at least, got 30");
}

TEST(codec_decoder_is_causal) {
  Arena arena;
  const Codec codec(small_config(), DType::f32, 1);
  const int64_t T = 20, hop = codec.config().hop();
  Tensor codes = random_codes(arena, codec.config(), 1, T);
  const Tensor before = decoded(arena, codec, codes);
  for (int64_t t : {0, 1, 7, 19}) {
    int32_t& code = codes.as<int32_t>()[T + t];  // second codebook
    const int32_t kept = code;
    code = (code + 100) % 336;
    const Tensor after = decoded(arena, codec, codes);
    CHECK(equal(before.as<float>(), after.as<float>(), t * hop));
    CHECK(!equal(before.as<float>() + t * hop, after.as<float>() + t * hop, hop));
    code = kept;
  }
}

template <class T>
static void expect_stream_gives_the_bits_of_one_call(const CodecConfig& config) {
  Arena arena;
  const Codec codec(config, dtype_of<T>(), 2);
  const int64_t B = 3, frames = 41, hop = codec.config().hop();
  const Tensor codes = random_codes(arena, codec.config(), B, frames), whole = decoded(arena, codec, codes);
  CodecStream stream(codec, B);
  for (uint64_t trial = 0; trial < 6; ++trial) {
    for (int64_t b = 0; b < B; ++b) stream.restart(b);
    for (int64_t t = 0, piece = 0; t < frames; ++piece) {
      const int64_t n =
          std::min<int64_t>(frames - t, 1 + static_cast<int64_t>(Rng{6, 5}.uniform(trial, piece) * (trial == 0 ? 1 : 9)));
      Tape tape(test_context(), arena, Tape::Mode::infer);
      const Tensor wav = stream.feed(tape, portion(arena, codes, t, t + n));
      CHECK(wav.dims[0] == B && wav.dims[1] == n * hop);
      for (int64_t b = 0; b < B; ++b) CHECK(equal(wav.as<T>() + b * n * hop, whole.as<T>() + (b * frames + t) * hop, n * hop));
      t += n;
    }
  }
}

TEST(codec_stream_gives_the_bits_of_one_call) {
  expect_stream_gives_the_bits_of_one_call<float>(small_config());
  expect_stream_gives_the_bits_of_one_call<double>(small_config());
  CodecConfig wide = small_config();  // of more channels and taps than a convolution sums at a time
  wide.decoder_channels = 112;
  expect_stream_gives_the_bits_of_one_call<float>(wide);
  CodecConfig chain = small_config();  // residual blocks that add to their input in place
  chain.decoder_channels = 112, chain.res_kernels = {11}, chain.res_dilations = {1, 2};
  expect_stream_gives_the_bits_of_one_call<float>(chain);
  expect_stream_gives_the_bits_of_one_call<double>(chain);
}

TEST(codec_stream_restarts_one_of_its_streams) {
  Arena arena;
  const Codec codec(small_config(), DType::f32, 2);
  const int64_t T = 5, samples = T * codec.config().hop();
  const Tensor codes = random_codes(arena, codec.config(), 2, T);
  CodecStream stream(codec, 2);
  auto feed = [&] {
    Tape tape(test_context(), arena, Tape::Mode::infer);
    return stream.feed(tape, codes);
  };
  const Tensor first = feed();
  stream.restart(1);
  const Tensor second = feed();
  CHECK(!equal(first.as<float>(), second.as<float>(), samples));
  CHECK(equal(first.as<float>() + samples, second.as<float>() + samples, samples));
  CHECK_THROWS(stream.restart(2), "codec stream: index: expected below 2, got 2");
  Tape tape(test_context(), arena, Tape::Mode::infer);
  CHECK_THROWS(stream.feed(tape, portion(arena, codes, 0, 0)),
               "codec stream: codes: expected i32 [2, G, at least 1], got i32 [2, 2, 0]");
}

TEST(codec_decodes_items_of_a_batch_as_alone) {
  Arena arena;
  const Codec codec(small_config(), DType::f32, 3);
  const int64_t T = 33, hop = codec.config().hop();
  const Tensor codes = random_codes(arena, codec.config(), 3, T), frames = ints_of(arena, {33, 4, 18});
  const Tensor batch = decoded(arena, codec, codes, frames);
  const Tensor portions = decode_batch({test_context(), arena}, codec, codes, frames);
  for (int64_t b = 0; b < 3; ++b) {
    const int64_t n = frames.as<int32_t>()[b];
    Tensor item = portion(arena, codes, 0, n);
    item.dims[0] = 1, item.data = item.as<int32_t>() + b * codec.config().groups * n;
    const Tensor alone = decoded(arena, codec, item);
    for (const Tensor& together : {batch, portions}) {
      const float* wav = together.as<float>() + b * T * hop;
      CHECK(equal(alone.as<float>(), wav, n * hop));
      for (int64_t s = n * hop; s < T * hop; ++s) CHECK(wav[s] == 0);
    }
  }
}

TEST(codec_decodes_with_the_weights_of_the_moment) {
  Arena arena;
  Codec codec(small_config(), DType::f32, 3);
  const int64_t T = 7, size = T * codec.config().hop();
  const Tensor codes = random_codes(arena, codec.config(), 1, T);
  CodecStream stream(codec, 1);
  auto expect_current = [&] {
    const Tensor expected = decoded(arena, codec, codes);
    CHECK(equal(expected.as<float>(), decode_batch({test_context(), arena}, codec, codes, {}).as<float>(), size));
    stream.restart(0);
    Tape tape(test_context(), arena, Tape::Mode::infer);
    CHECK(equal(expected.as<float>(), stream.feed(tape, codes).as<float>(), size));
    return expected;
  };
  const Tensor before = expect_current();
  codec.params().grads();
  for (Param& p : codec.params().list())
    for (int64_t i = 0; i < p.grad.size(); ++i) p.grad.as<float>()[i] = static_cast<float>(i % 3) - 1;
  AdamW optimizer(codec.params());
  optimizer.step(test_context(), 0.1, 0);
  CHECK(!equal(before.as<float>(), expect_current().as<float>(), size));
  for (float& v : std::span(codec.params().find("audio_decoder.pre_conv.conv.parametrizations.weight.original0")->value.as<float>(), 4)) v *= 2;
  codec.params().changed();
  expect_current();
}

TEST(codec_encodes_whole_frames_and_nothing_beyond_an_item) {
  Arena arena;
  const Codec codec(small_config(), DType::f32, 4);
  const int64_t hop = codec.config().hop(), S = 5 * hop - 2;
  Tensor audio = random_audio(arena, 2, S);
  const Tensor samples = ints_of(arena, {static_cast<int32_t>(S), static_cast<int32_t>(2 * hop + 1)});
  auto encode = [&] {
    Tape tape(test_context(), arena, Tape::Mode::infer);
    const Codec::Encoded e = codec.encode(tape, audio, samples);
    CHECK(e.frames.as<int32_t>()[0] == 5 && e.frames.as<int32_t>()[1] == 3);
    CHECK(e.latent->value.dims[2] == 5);
    return e.latent->value;
  };
  const Tensor latent = encode();
  for (int64_t s = samples.as<int32_t>()[1]; s < S; ++s) audio.as<float>()[S + s] = std::nanf("");
  CHECK(equal(latent.as<float>(), encode().as<float>(), latent.size()));
  for (int64_t line = 6; line < 12; ++line)
    for (int64_t t = 3; t < 5; ++t) CHECK(latent.as<float>()[line * 5 + t] == 0);

  // Alone an item is padded at its own end.
  const CodedBatch coded = encode_batch({test_context(), arena}, codec, audio, samples);
  Tensor second = make_tensor(audio.as<float>() + S, DType::f32, {1, samples.as<int32_t>()[1]});
  const CodedBatch alone = encode_batch({test_context(), arena}, codec, second, {});
  for (int64_t g = 0; g < 2; ++g)
    for (int64_t t = 0; t < 5; ++t)
      CHECK(coded.codes.as<int32_t>()[(2 + g) * 5 + t] == (t < 3 ? alone.codes.as<int32_t>()[g * 3 + t] : 0));
}

TEST(codec_refuses_what_is_not_finite) {
  Arena arena;
  Codec codec(small_config(), DType::f32, 5);
  const Tensor codes = random_codes(arena, codec.config(), 1, 2);
  Tensor audio = random_audio(arena, 1, 12);
  audio.as<float>()[7] = HUGE_VALF;
  CHECK_THROWS(encode_batch({test_context(), arena}, codec, audio, {}), "expected a finite number, got");
  // The limiter would turn it into 1.
  codec.params().find("audio_decoder.post_conv.conv.bias")->value.as<float>()[0] = HUGE_VALF;
  CHECK_THROWS(decoded(arena, codec, codes), "codec decoder: wav[0, 0]: expected a finite sample, got inf");
}

TEST(every_code_survives_decoding_and_encoding) {
  Arena arena;
  const std::vector<int64_t> levels = {8, 7, 6, 6};
  Tensor codes = new_tensor(arena, DType::i32, {1, 1, 2016}), steps = ints_of(arena, {8, 7, 6, 6});
  for (int32_t n = 0; n < 2016; ++n) codes.as<int32_t>()[n] = n;
  Tape tape(test_context(), arena, Tape::Mode::infer);
  Var* values = tape.apply(fsq_decode, {tape.constant(codes), tape.constant(steps), nullptr});

  // A latent in the middle of each cell; the outermost middles lie beyond what tanh reaches.
  Tensor latent = new_tensor(arena, DType::f32, {1, 4, 2016});
  for (int64_t d = 0; d < 4; ++d) {
    const double scale = static_cast<double>(levels[d] - 1) / 2 * (1 - 1e-3), offset = levels[d] % 2 ? 0 : 0.5;
    for (int64_t n = 0; n < 2016; ++n) {
      const double k = values->value.as<float>()[d * 2016 + n] * static_cast<double>(levels[d] / 2);
      latent.as<float>()[d * 2016 + n] =
          static_cast<float>(std::atanh(std::clamp((k + offset) / scale, -0.9999, 0.9999)) - std::tan(offset / scale));
    }
  }
  auto [again, ids, unused1, unused2] = tape.apply_all(fsq_encode, {tape.constant(latent), tape.constant(steps), nullptr});
  for (int32_t n = 0; n < 2016; ++n) CHECK(ids->value.as<int32_t>()[n] == n);
  for (int64_t i = 0; i < latent.size(); ++i) CHECK(again->value.as<float>()[i] == values->value.as<float>()[i]);  // -0 is 0
}

TEST(codec_decoding_settles_in_memory) {
  Arena arena;
  const Codec codec(small_config(), DType::f32, 6);
  CodecStream stream(codec, 1);
  Arena codes_arena;
  const Tensor codes = random_codes(codes_arena, codec.config(), 1, 6);
  int64_t after = 0;
  for (int i = 0; i < 5; ++i) {
    arena.reset();
    test_scratch().reset();
    Tape tape(test_context(), arena, Tape::Mode::infer);
    stream.feed(tape, codes);
    if (i == 1) after = arena.growths() + test_scratch().growths();
  }
  CHECK(arena.growths() + test_scratch().growths() == after);
}

}  // namespace a2s::test
