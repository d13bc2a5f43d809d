// The incremental form of a causal transformer: each call extends every running sequence by one step.
//
// Row r of the cache is one sequence: a prefix, which other rows may share, and steps of its own. It holds, for each layer,
// the keys and values of its own steps and, where a feed-forward convolution spans k > 1 steps, the last k inputs of both
// convolutions; a convolution step is then one product of that window with the flattened filters. What a memory contributes
// is not cached a row: the samples of a prompt read the prompt's keys and values together, as rows of one attention call.
#pragma once
#include "nn/packed_linear.h"
#include "nn/transformer.h"

namespace a2s {

/** Cross-attention of one step: which rows attend, to what, under which prior. */
struct CrossStep {
  std::span<Var* const> kv;       // one a layer, [P,N,2E]; null: that layer has no memory
  std::span<Var* const> lengths;  // one a layer, ints [P]
  std::span<Var* const> prior;    // one a layer, [P,slots,N] (inference form), or null; may be empty
  Var* rows = nullptr;            // ints [A]: the rows of the step that attend, ascending
  const int32_t* slot = nullptr;  // [A]: place of each of them in [P, slots]
  Var* counts = nullptr;          // ints [P]: slots in use
  int64_t slots = 1;
  std::span<Var*> queries = {};   // receives each layer's queries [P,slots,E], when given
};

class DecodeCache {
 public:
  /** Room for `rows` sequences of `steps` steps after one of `prefixes` prefixes of up to `prefix_steps`, from `arena`, and the packed weights,
   *  which must not change while the cache is in use. Without prefixes all rows begin empty. @throws Config unless the transformer is causal. */
  DecodeCache(const Transformer& stack, DType dtype, Context ctx, Arena& arena, int64_t rows, int64_t steps, int64_t prefixes = 0,
              int64_t prefix_steps = 0);

  /** A prefix is the first `length` steps of item `item` of a whole-sequence pass. */
  void load(int64_t prefix, std::span<const LayerTrace> layers, int64_t item, int64_t length);
  /** Row `row` goes on after a prefix that was loaded. */
  void begin(int64_t row, int64_t prefix);
  /** Row `to` becomes a copy of row `from`. */
  void copy(int64_t from, int64_t to);
  /** All rows of a cache without prefixes are empty again. */
  void clear();

  /** Appends x [R,C] (without positions) to rows 0..R-1 and returns their outputs [R,C]. The tape must be in infer mode. */
  Var* step(Tape& tape, Var* x, const CrossStep* cross = nullptr);

 private:
  /** What a layer keeps of some sequences. */
  struct Kept {
    Tensor k, v;        // [rows, heads, steps, C / heads]: what a head reads lies together; bf16 where products are
    Tensor in, hidden;  // [rows, C, kernel], [rows, F, kernel]; unused when the kernel is 1
  };
  struct Layer {
    Kept own, prefix;
    PackedLinear qkv, o, cross_q, cross_o, proj, out;
  };
  Kept room(Arena& arena, int64_t rows, int64_t steps) const;
  Layer make_layer(const Transformer::Layer& w, Context ctx, Arena& arena, int64_t prefix_steps) const;
  /** Steps of a row that are its own. */
  int64_t used(int64_t row) const { return used_.as<int32_t>()[row]; }
  Var* self_attend(Tape& tape, int64_t index, Var* x);
  Var* cross_attend(Tape& tape, int64_t index, Var* x, const CrossStep& cross);
  Var* feed_forward(Tape& tape, int64_t index, Var* x);
  Var* windowed(Tape& tape, const Tensor& window, Var* x);

  const Transformer& stack_;
  DType dtype_, kept_;  // kept_: of keys and values
  int64_t rows_, steps_, prefixes_;
  std::vector<Layer> layers_;
  Tensor used_, prefix_of_;  // ints [rows]
  Tensor prefix_used_;       // ints [prefixes]
};

}  // namespace a2s
