// What the cases of the attention ops cannot say: memory, padding, positions of dropout, decoding, long rows.
#include "core/cpu.h"
#include "core/rng.h"
#include "ops/attention/attention.h"
#include "ops/attention/head.h"
#include "test/test.h"

namespace a2s::test {
namespace {

Tensor random(Arena& arena, DType dtype, std::initializer_list<int64_t> shape, uint64_t sample, double spread = 1) {
  Tensor t = new_tensor(arena, dtype, shape);
  for (int64_t i = 0; i < t.size(); ++i) {
    const float x = static_cast<float>(spread * Rng{3, static_cast<uint32_t>(Stream::test)}.normal(sample, i));
    dtype == DType::f32 ? void(t.as<float>()[i] = x) : void(t.as<double>()[i] = x);
  }
  return t;
}

Tensor ints(Arena& arena, std::initializer_list<int> values) {
  Tensor t = new_tensor(arena, DType::i32, {static_cast<int64_t>(values.size())});
  std::copy(values.begin(), values.end(), t.as<int32_t>());
  return t;
}

/** self_attention of one qkv, forward and, with `dy`, backward. */
struct SelfAttention {
  Call call;
  SelfAttention(Arena& arena, Tensor qkv, Tensor lengths, int64_t heads, bool causal, Context ctx = test_context()) : call(self_attention, ctx) {
    call.in[0] = qkv, call.in[1] = lengths;
    call.set("heads", static_cast<double>(heads)), call.set("causal", causal);
    prepare(call);
    allocate(call, arena);
  }
  Tensor forward() { return run_forward(call), call.out[0]; }
  Tensor backward(Arena& arena, Tensor dy) {
    call.dout[0] = dy, call.din[0] = new_tensor(arena, call.in[0].dtype, call.in[0].shape());
    return run_backward(call), call.din[0];
  }
};

}  // namespace

TEST(attention_scratch_grows_with_the_rows_not_with_their_square) {
  constexpr int64_t T = 2048;
  Arena arena, scratch;
  Pool pool(2);
  SelfAttention a(arena, random(arena, DType::f32, {1, T, 3 * 32}, 1), {}, 2, true, {pool, scratch});
  Tensor dy = random(arena, DType::f32, {1, T, 32}, 2);
  auto step = [&] {
    scratch.reset();
    a.forward();
    a.backward(arena, dy);
  };
  step();
  step();
  CHECK(scratch.capacity() < T * T * sizeof(float) / 2);
  const int64_t growths = scratch.growths();
  step();
  CHECK(scratch.growths() == growths);
}

TEST(attention_never_reads_padding) {
  constexpr int64_t B = 2, T = 21, E = 10;
  for (DType dtype : {DType::f32, DType::f64}) {
    Arena arena;
    Tensor clean = random(arena, dtype, {B, T, 3 * E}, 1), dy = random(arena, dtype, {B, T, E}, 2), lengths = ints(arena, {21, 13});
    Tensor dirty = new_tensor(arena, dtype, clean.shape()), dirty_dy = new_tensor(arena, dtype, dy.shape());
    std::memcpy(dirty.data, clean.data, clean.bytes());
    std::memcpy(dirty_dy.data, dy.data, dy.bytes());
    auto spoil = [&](const Tensor& t) {  // 0xff… is NaN
      const size_t row = t.bytes() / (B * T);
      std::memset(static_cast<char*>(t.data) + (T + 13) * row, 0xff, (T - 13) * row);
    };
    spoil(dirty), spoil(dirty_dy);
    for (bool causal : {false, true}) {
      SelfAttention a(arena, clean, lengths, 2, causal), b(arena, dirty, lengths, 2, causal);
      Tensor ya = a.forward(), yb = b.forward();
      CHECK(!std::memcmp(ya.data, yb.data, ya.bytes()));
      Tensor da = a.backward(arena, dy), db = b.backward(arena, dirty_dy);
      CHECK(!std::memcmp(da.data, db.data, da.bytes()));
      for (int64_t i = (T + 13) * 3 * E; i < B * T * 3 * E; ++i) CHECK(element(db, i) == 0);
    }
  }
}

TEST(attention_dropout_is_the_documented_stream) {
  // Equal scores and the identity as values: y[b, i, h, j] = factor of element (h T + i) T + j, over T.
  constexpr int64_t B = 2, T = 19, H = 3, E = H * T;
  constexpr double p = 0.3;
  for (DType dtype : {DType::f32, DType::f64}) {
    Arena arena;
    Tensor qkv = random(arena, dtype, {B, T, 3 * E}, 1, 0);
    for (int64_t b = 0; b < B; ++b)
      for (int64_t j = 0; j < T; ++j)
        for (int64_t h = 0; h < H; ++h) {
          const int64_t at = (b * T + j) * 3 * E + 2 * E + h * T + j;
          dtype == DType::f32 ? void(qkv.as<float>()[at] = 1) : void(qkv.as<double>()[at] = 1);
        }
    SelfAttention a(arena, qkv, {}, H, false);
    a.call.set("dropout", p), a.call.set("seed", 77), a.call.set("layer", 5);
    Tensor y = a.forward();
    const Rng rng{77, static_cast<uint32_t>(Stream::dropout) + 5 * 64};
    int64_t dropped = 0;
    for (int64_t b = 0; b < B; ++b)
      for (int64_t i = 0; i < T; ++i)
        for (int64_t h = 0; h < H; ++h)
          for (int64_t j = 0; j < T; ++j) {
            const int64_t e = (h * T + i) * T + j;
            const bool kept = rng.words(b, e / 4)[e % 4] >= static_cast<uint32_t>(p * 0x1p32);
            CHECK_NEAR(element(y, (b * T + i) * E + h * T + j), kept ? 1 / (1 - p) / T : 0, 1e-7);
            dropped += !kept;
          }
    CHECK_NEAR(static_cast<double>(dropped) / (B * H * T * T), p, 0.03);
  }
}

TEST(attention_decodes_what_it_trains) {
  constexpr int64_t R = 3, T = 40, H = 2, D = 24, E = H * D;
  Arena arena;
  Tensor qkv = random(arena, DType::f32, {R, T, 3 * E}, 1);
  SelfAttention a(arena, qkv, {}, H, true);
  Tensor y = a.forward();
  Tensor q = new_tensor(arena, DType::f32, {R, H, D});
  Tensor k = random(arena, DType::f32, {R, H, T, D}, 4), v = random(arena, DType::f32, {R, H, T, D}, 5);
  for (int64_t t = 0; t < T; ++t) {
    for (int64_t r = 0; r < R; ++r) {
      const float* row = qkv.as<float>() + (r * T + t) * 3 * E;
      std::copy_n(row, E, q.as<float>() + r * E);
      for (int64_t h = 0; h < H; ++h) {
        std::copy_n(row + E + h * D, D, k.as<float>() + ((r * H + h) * T + t) * D);
        std::copy_n(row + 2 * E + h * D, D, v.as<float>() + ((r * H + h) * T + t) * D);
      }
    }
    const int n = static_cast<int>(t) + 1;
    Call step(decode_attention, test_context());
    step.in[0] = q, step.in[1] = k, step.in[2] = v, step.in[3] = ints(arena, {n, n, n});
    apply(step, arena);
    for (int64_t r = 0; r < R; ++r)
      for (int64_t e = 0; e < E; ++e) CHECK_NEAR(element(step.out[0], r * E + e), element(y, (r * T + t) * E + e), 2e-6);
  }
}

TEST(attention_of_a_shared_prefix_is_that_of_copies_of_it) {
  constexpr int64_t R = 5, S = 2, H = 3, Tp = 9, Tmax = 7;
  const int prefix_used[S] = {9, 4}, prefix_of[R] = {1, 0, 1, 1, 0}, used[R] = {7, 0, 3, 1, 5};
  for (int64_t D : {6, 32})
    for (DType dtype : {DType::f32, DType::f64}) {
      Arena arena;
      const size_t row = static_cast<size_t>(D) * size_of(dtype);
      Tensor q = random(arena, dtype, {R, H, D}, 1), own[2], prefix[2], whole[2];
      for (int i : {0, 1}) {
        own[i] = random(arena, dtype, {R, H, Tmax, D}, 2 + i), prefix[i] = random(arena, dtype, {S, H, Tp, D}, 4 + i);
        whole[i] = random(arena, dtype, {R, H, Tp + Tmax, D}, 6 + i);
        for (int64_t r = 0; r < R; ++r)
          for (int64_t h = 0; h < H; ++h) {
            char* to = static_cast<char*>(whole[i].data) + (r * H + h) * (Tp + Tmax) * row;
            const size_t before = static_cast<size_t>(prefix_used[prefix_of[r]]) * row;
            std::memcpy(to, static_cast<char*>(prefix[i].data) + (prefix_of[r] * H + h) * Tp * row, before);
            std::memcpy(to + before, static_cast<char*>(own[i].data) + (r * H + h) * Tmax * row, used[r] * row);
          }
      }
      Call shared(decode_attention, test_context()), copied(decode_attention, test_context());
      shared.in[0] = q, shared.in[1] = own[0], shared.in[2] = own[1], shared.in[4] = prefix[0], shared.in[5] = prefix[1];
      shared.in[3] = ints(arena, {used[0], used[1], used[2], used[3], used[4]});
      shared.in[6] = ints(arena, {prefix_used[0], prefix_used[1]}), shared.in[7] = ints(arena, {1, 0, 1, 1, 0});
      copied.in[0] = q, copied.in[1] = whole[0], copied.in[2] = whole[1], copied.in[3] = ints(arena, {11, 9, 7, 5, 14});
      apply(shared, arena), apply(copied, arena);
      CHECK(std::memcmp(shared.out[0].data, copied.out[0].data, shared.out[0].bytes()) == 0);
    }
}

TEST(attention_in_bf16_is_that_of_rounded_keys_and_values) {
  constexpr int64_t B = 2, T = 75, H = 2, D = 24, E = H * D;
  Arena arena;
  Tensor qkv = random(arena, DType::f32, {B, T, 3 * E}, 1), kept = random(arena, DType::f32, {B, T, 3 * E}, 1), dy = random(arena, DType::f32, {B, T, E}, 2);
  for (int64_t i = 0; i < kept.size(); ++i)
    if (i % (3 * E) >= E) kept.as<float>()[i] = widened(to_bf16(kept.as<float>()[i]));
  Context ctx = test_context();
  ctx.bf16 = true;
  SelfAttention a(arena, qkv, {}, H, true, ctx), b(arena, kept, {}, H, true);
  Tensor ya = a.forward(), yb = b.forward(), da = a.backward(arena, dy), db = b.backward(arena, dy);
  CHECK(!std::memcmp(ya.data, yb.data, ya.bytes()));
  CHECK(!std::memcmp(da.data, db.data, da.bytes()));
}

TEST(attention_to_a_cache_in_bf16_is_that_to_the_numbers_it_holds) {
  constexpr int64_t R = 3, S = 2, H = 2, Tp = 37, Tmax = 53;
  for (int64_t D : {6, 16, 24, 32, 64, 128}) {
    Arena arena;
    Call in_f32(decode_attention, test_context()), in_bf16(decode_attention, test_context()), reference(decode_attention, test_context());
    auto random_of = [&](std::initializer_list<int64_t> shape, int input) {
      Tensor x = random(arena, DType::f32, shape, static_cast<uint64_t>(input)), wide = new_tensor(arena, DType::f64, shape), halves = new_tensor(arena, DType::bf16, shape);
      for (int64_t i = 0; i < x.size(); ++i) {
        if (input) halves.as<Bf16>()[i] = to_bf16(x.as<float>()[i]), x.as<float>()[i] = widened(halves.as<Bf16>()[i]);
        wide.as<double>()[i] = x.as<float>()[i];
      }
      in_f32.in[input] = x, reference.in[input] = wide, in_bf16.in[input] = input ? halves : x;
    };
    random_of({R, H, D}, 0), random_of({R, H, Tmax, D}, 1), random_of({R, H, Tmax, D}, 2), random_of({S, H, Tp, D}, 4), random_of({S, H, Tp, D}, 5);
    for (Call* c : {&in_f32, &in_bf16, &reference}) {
      c->in[3] = ints(arena, {53, 0, 17}), c->in[6] = ints(arena, {37, 1}), c->in[7] = ints(arena, {0, 1, 0});
      apply(*c, arena);
    }
    CHECK(relative_error(in_f32.out[0], reference.out[0]) < 2e-6);
    CHECK(relative_error(in_bf16.out[0], reference.out[0]) < 2e-6);
    in_bf16.in[2] = in_f32.in[2];
    CHECK_THROWS(prepare(in_bf16), "decode_attention: v: expected dtype bf16 as k, got f32");
  }
}

TEST(attention_of_long_rows_with_large_scores_is_stable) {
  // Scores up to about +-300: far beyond what exp can take without the row's maximum.
  constexpr int64_t T = 1500, E = 16;
  Arena arena;
  auto run = [&](DType dtype) {
    SelfAttention a(arena, random(arena, dtype, {1, T, 3 * E}, 1, 8), {}, 1, true);
    Tensor y = a.forward();
    return std::pair(y, a.backward(arena, random(arena, dtype, {1, T, E}, 2)));
  };
  auto [y, d] = run(DType::f32);
  auto [y_reference, d_reference] = run(DType::f64);
  for (int64_t i = 0; i < y.size(); ++i) CHECK(std::isfinite(element(y, i)));
  CHECK(relative_error(y, y_reference) < 1e-4);
  CHECK(relative_error(d, d_reference) < 1e-3);
}

#if defined(__x86_64__)
TEST(attention_kernels_of_all_instruction_sets_agree) {
  using namespace attention;
  constexpr int64_t T = 101, D = 24;
  Arena arena;
  Tensor q = random(arena, DType::f32, {T, D}, 1), k = random(arena, DType::f32, {T, D}, 2), v = random(arena, DType::f32, {T, D}, 3);
  Tensor dy = random(arena, DType::f32, {T, D}, 4), prior = random(arena, DType::f32, {T, T}, 5, 0);
  auto pass = [&](auto kernel, const Head<float>& h, int64_t size) {  // on scratch of NaN, which may not be left
    float* scratch = arena.alloc<float>(size + 64);
    std::memset(scratch, 0xff, (size + 64) * sizeof(float));
    kernel(h, scratch);
    for (int64_t i = 0; i < 64; ++i) CHECK(std::isnan(scratch[size + i]));
  };
  for (int64_t i = 0; i < T * T; ++i) prior.as<float>()[i] = 1e-36f * static_cast<float>((i * 37) % 101);
  auto run = [&](const Kernels& kernels, int64_t keys, bool causal, bool strict) {
    Head<float> h;
    h.width = D, h.row_end = 98, h.keys = keys, h.columns = T, h.causal = causal, h.scale = 0.2f;
    h.q = q.as<float>(), h.k = k.as<float>(), h.v = v.as<float>(), h.dy = dy.as<float>();
    h.q_stride = h.kv_stride = h.y_stride = D;
    if (strict) h.prior = prior.as<float>(), h.prior_eps = FLT_MIN, h.strict = true;
    h.dropout = DropoutMask(0.2, 9, 1);
    Tensor out = random(arena, DType::f32, {6, T, D}, 6, 0);
    float* o = out.as<float>();
    h.y = o, h.dq = o + T * D, h.dk = o + 2 * T * D, h.dv = o + 3 * T * D, h.lse = o + 4 * T * D, h.raw_lse = o + 5 * T * D;
    pass(kernels.forward, h, forward_scratch(h));
    pass(kernels.backward, h, backward_scratch(h));
    return out;
  };
  auto decode = [&](const Kernels& kernels, int64_t width, int64_t before) {
    Tensor y = random(arena, DType::f32, {width}, 7, 0), scores = new_tensor(arena, DType::f32, {112});
    DecodeHead<float> h{width, q.as<float>(), {k.as<float>(), v.as<float>(), before}, {dy.as<float>(), k.as<float>(), 18}, k.as<float>(), scores.as<float>(), y.as<float>()};
    kernels.decode(h);
    return y;
  };
  for (int64_t width : {16, 20, 32, 64, 128})
    for (int64_t before : {0, 1, 14}) {
      Tensor base = decode(kBaseline, width, before);
      if (cpu_isa() >= Isa::avx2) CHECK(relative_error(decode(kAvx2, width, before), base) < 2e-6);
      if (cpu_isa() >= Isa::avx512) CHECK(relative_error(decode(kAvx512, width, before), base) < 2e-6);
    }
  for (int64_t keys : {1, 32, 97})
    for (bool causal : {false, true})
      for (bool strict : {false, true}) {
        Tensor base = run(kBaseline, keys, causal, strict);
        if (cpu_isa() >= Isa::avx2) CHECK(relative_error(run(kAvx2, keys, causal, strict), base) < 2e-5);
        if (cpu_isa() >= Isa::avx512) CHECK(relative_error(run(kAvx512, keys, causal, strict), base) < 2e-5);
      }
}
#endif

}  // namespace a2s::test
