// Arenas, the counter RNG, parameters and the tape.
#include "core/device.h"
#include "core/rng.h"
#include "core/tape.h"
#include "ops/elementwise/elementwise.h"
#include "ops/layer_norm/layer_norm.h"
#include "test/test.h"

namespace a2s::test {

TEST(rng_matches_published_vectors) {
  // Random123's known answers for philox4x32-10.
  auto zeros = Rng{0, 0}.words(0, 0);
  CHECK(zeros[0] == 0x6627e8d5 && zeros[1] == 0xe169c58d && zeros[2] == 0xbc57ac4c && zeros[3] == 0x9b00dbd8);
  auto ones = Rng{~uint64_t{0}, 0}.words(~uint64_t{0}, ~uint64_t{0});
  CHECK(ones[0] == 0x408f276d && ones[1] == 0x41c83b0e && ones[2] == 0xa20bc7c6 && ones[3] == 0x6d5451fd);
}

TEST(rng_is_uniform_and_streams_differ) {
  Rng a{1, 1}, b{1, 2};
  double sum = 0, square = 0, same = 0;
  const int n = 20000;
  for (int i = 0; i < n; ++i) {
    double u = a.uniform(3, i);
    CHECK(u > 0 && u < 1);
    sum += u, square += u * u;
    same += u == b.uniform(3, i);
  }
  CHECK_NEAR(sum / n, 0.5, 0.01);
  CHECK_NEAR(square / n, 1.0 / 3, 0.01);
  CHECK(same == 0);
}

TEST(arena_stops_growing_after_one_cycle) {
  Arena arena;
  auto cycle = [&] {
    arena.reset();
    for (int i = 1; i < 60; ++i) std::memset(arena.alloc(i * 100000), i, i * 100000);
  };
  cycle();
  cycle();
  const int64_t before = arena.growths();
  for (int i = 0; i < 5; ++i) cycle();
  CHECK(arena.growths() == before);
}

TEST(arena_gives_back_to_a_mark) {
  Arena arena;
  char* first = arena.alloc<char>(10);
  {
    ScratchScope scope(arena);
    CHECK(arena.alloc<char>(1 << 22) != first);
  }
  CHECK(arena.alloc<char>(10) == first + 64);
  CHECK(reinterpret_cast<uintptr_t>(first) % 64 == 0);
}

TEST(a_device_that_is_not_there_is_an_error) {
  const Devices all = devices();
  CHECK((all.count > 0) == all.missing.empty());
  for (int index : {-1, all.count}) {
    CHECK_THROWS(open_device(index), "device: index: expected one of " + std::to_string(all.count) + " GPUs, got " + std::to_string(index));
    CHECK_THROWS(device_name(index), "device: index: expected one of");
  }
}

TEST(params_are_flat_aligned_and_reproducible) {
  Params a(DType::f32), b(DType::f32);
  for (Params* p : {&a, &b}) {
    p->add("w", {3, 5}, 0.02);
    p->add("n", {7}, 0, 1);
    p->allocate(9);
  }
  CHECK_THROWS(a.add("w", {1}, 0), "expected a new name");
  Param *w = a.find("w"), *n = a.find("n");
  CHECK(n->offset == 16 && n->value.as<float>()[6] == 1);
  CHECK(!std::memcmp(w->value.data, b.find("w")->value.data, w->value.bytes()));
  CHECK(w->value.as<float>()[0] != w->value.as<float>()[1]);
}

TEST(split_parameters_are_published_one_by_one) {
  Params params(DType::f32);
  Param& table = params.add_split("embeddings", "weight", 3, {2, 5}, 0.02);
  params.add("norm.weight", {4}, 0, 1);
  params.allocate(1);
  CHECK(!params.entries()[2].grad.data && !table.grad.data);
  params.zero_grad();
  CHECK(table.value.dim(0) == 6 && table.value.dim(1) == 5 && params.find("embeddings.weight") == &table);
  auto all = params.entries();
  CHECK(all.size() == 4 && all[1].name == "embeddings.1.weight" && all[3].name == "norm.weight");
  CHECK(all[1].value.dim(0) == 2 && all[1].value.as<float>() == table.value.as<float>() + 10);
  CHECK(all[2].grad.as<float>() == table.grad.as<float>() + 20 && all[2].param == &table);
}

namespace {
Tensor filled(Arena& arena, std::initializer_list<int64_t> shape, uint64_t sample) {
  Tensor t = new_tensor(arena, DType::f64, shape);
  for (int64_t i = 0; i < t.size(); ++i) t.as<double>()[i] = Rng{5, 5}.normal(sample, i);
  return t;
}
}  // namespace

TEST(tape_sums_the_gradients_of_every_use) {
  // y = LN(x, w) used twice, once through a view: d x must be twice the gradient of one use.
  Arena arena;
  Params params(DType::f64);
  Param& w = params.add("w", {6}, 0, 1);
  params.allocate(0);
  Tensor x = filled(arena, {4, 6}, 1), seed = filled(arena, {4, 6}, 2);
  auto gradient = [&](int uses) {
    params.zero_grad();
    Tape tape(test_context(), arena);
    Var* leaf = tape.leaf(x);
    Var* h = tape.apply(layer_norm, {leaf, tape.param(w)});
    Var* y = tape.apply(layer_norm, {h, tape.param(w)});
    tape.backward(y, seed);
    if (uses == 2) {
      // A second pass over the same graph: parameters accumulate.
      Tape again(test_context(), arena);
      Var* v = again.leaf(x);
      Var* one = again.apply(layer_norm, {again.view(v, {2, 2, 6}), again.param(w)});
      Var* two = again.apply(layer_norm, {again.view(one, {4, 6}), again.param(w)});
      again.backward(two, seed);
      for (int64_t i = 0; i < x.size(); ++i) CHECK(v->grad().as<double>()[i] == leaf->grad().as<double>()[i]);
    }
    double sum = 0;
    for (int64_t i = 0; i < 6; ++i) sum += std::fabs(w.grad.as<double>()[i]);
    return sum;
  };
  double once = gradient(1);
  CHECK(once > 0);
  CHECK_NEAR(gradient(2), 2 * once, 1e-12);
}

TEST(tape_keeps_apart_what_terms_of_a_sum_share) {
  // y = x + x, z = (y + 3 x) + y: d z / d x = 7, whichever of the shared gradients is added to first.
  Arena arena;
  const Tensor x = filled(arena, {4, 6}, 1), seed = filled(arena, {4, 6}, 2);
  Tape tape(test_context(), arena);
  Var* leaf = tape.leaf(x);
  Var* y = tape.apply(add, {leaf, leaf});
  Var* z = tape.apply(add, {tape.apply(add, {y, tape.apply(scale, {leaf}, {{"factor", 3}})}), y});
  tape.backward(z, seed);
  for (int64_t i = 0; i < x.size(); ++i) CHECK_NEAR(leaf->grad().as<double>()[i], 7 * seed.as<double>()[i], 1e-14);
  CHECK(!y->grad().data && !z->grad().data);  // memory that others use by now
}

TEST(tape_adds_the_gradient_of_rows_to_their_whole) {
  // LN of rows 1..3 of h: the gradient of LN of all of h under a seed that is zero in row 0.
  Arena arena;
  Params params(DType::f64);
  Param& w = params.add("w", {6}, 0.1, 1);
  params.allocate(0);
  Tensor x = filled(arena, {4, 6}, 1), seed = filled(arena, {4, 6}, 2);
  for (int64_t i = 0; i < 6; ++i) seed.as<double>()[i] = 0;
  Tensor tail = make_tensor(seed.as<double>() + 6, DType::f64, {3, 6});
  Tape whole(test_context(), arena), part(test_context(), arena);
  Var *a = whole.leaf(x), *b = part.leaf(x);
  whole.backward(whole.apply(layer_norm, {whole.apply(layer_norm, {a, whole.param(w)}), whole.param(w)}), seed);
  Var* h = part.apply(layer_norm, {b, part.param(w)});
  part.backward(part.apply(layer_norm, {part.rows(h, 1, 3), part.param(w)}), tail);
  for (int64_t i = 0; i < x.size(); ++i) CHECK_NEAR(b->grad().as<double>()[i], a->grad().as<double>()[i], 1e-12);
  CHECK_THROWS(part.rows(h, 2, 3), "rows: range: expected rows of 0..3, got 2..4");
}

TEST(tape_in_infer_mode_records_nothing) {
  Arena arena;
  Params params(DType::f64);
  Param& w = params.add("w", {6}, 0, 1);
  params.allocate(0);
  Tape tape(test_context(), arena, Tape::Mode::infer);
  Var* y = tape.apply(layer_norm, {tape.constant(filled(arena, {4, 6}, 1)), tape.param(w)});
  tape.backward(y);
  CHECK(!w.grad.data);
}

TEST(tape_stops_when_cancelled) {
  Arena arena;
  Params params(DType::f64);
  Param& w = params.add("w", {6}, 0, 1);
  params.allocate(0);
  std::atomic<bool> cancel{true};
  Tape tape(test_context(), arena);
  tape.cancel = &cancel;
  CHECK_THROWS(tape.apply(layer_norm, {tape.constant(filled(arena, {4, 6}, 1)), tape.param(w)}), "cancelled");
}

}  // namespace a2s::test
