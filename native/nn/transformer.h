// The pre-norm transformer that all parts of the model share: text encoder, context encoder, decoder, local transformer.
//
//   x = dropout(x + positions) · mask
//   each layer:  x += SA(norm_self(x));  x += XA(norm_xattn_query(x), norm_xattn_memory(memory));  x += FF(norm_pos_ff(x));  x *= mask
//   y = norm_out(x)
//
// SA: fused query, key and value projection; XA: to a memory that a group of sequences shares; FF: convolution of `kernel`
// steps, GELU, convolution. Norms have a weight and no bias; nothing else has a bias.
#pragma once
#include <cfloat>

#include "core/tape.h"

namespace a2s {

/** Which padding a stack hides. Only a non-causal stack can tell them apart. */
enum class MaskConvention {
  outer,   // padded queries and keys of attention; the convolutions see one another's rows past the end
  query,   // padded queries only: padded keys, all zero, still take their share of the softmax
  strict,  // outer, and nothing past the end enters a convolution: results do not depend on the padding
};

struct TransformerConfig {
  int64_t layers = 1, d_model = 0, d_ffn = 0, heads = 1;
  int64_t kernel = 1;  // steps that each feed-forward convolution spans
  bool causal = true;
  int64_t max_positions = 0;
  struct Cross {
    int64_t heads = 0;     // 0: no cross-attention
    int64_t head_dim = 0;
    int64_t memory = 0;    // width of the memory
    bool norm = true;      // whether the memory is normalised
    int64_t width() const { return heads * head_dim; }
  } cross;
  MaskConvention mask = MaskConvention::outer;
  bool norm_out = true;
  double dropout = 0;
  int64_t site = 0;  // number of the first dropout site; keeps the noise of two stacks apart
};

/** Encoded rows that decoder layers attend to, one set a prompt. */
struct Memory {
  Var* rows = nullptr;     // [P,N,C]
  Var* lengths = nullptr;  // ints [P]
};

/** A prior over the rows of a memory; see cross_attention. */
struct AttentionPrior {
  enum class Mode { none, training, inference };
  Var* rows = nullptr;  // [B,T,N]
  Mode mode = Mode::none;
  double eps = FLT_MIN;
  bool strict = false;
};

/** The rows of a batch [B,T] that a stack computes, where it need not compute them all: padding is left out, and rows that
 *  sequences have in common are computed once. */
struct PackedRows {
  Tensor rows;    // ints [M]: row b·T + t of the batch that each of them is
  Tensor places;  // ints [B,T]: which of them stands there, -1: none
};

/** What one layer leaves behind for the losses on attention and for the cache of the incremental form; [1,M,…] where rows are packed. */
struct LayerTrace {
  Var* qkv = nullptr;        // [B,T,3C]
  Var* cross_q = nullptr;    // [B,T,E]; null where the layer has no memory
  Var* cross_kv = nullptr;   // [P,N,2E]
  Var* ff_in = nullptr;      // [B,T,C]
  Var* ff_hidden = nullptr;  // [B,T,F]
};

struct StackInput {
  Var* x = nullptr;              // [B,T,C], without positions
  Var* lengths = nullptr;        // ints [B]; null: all full
  Var* cross_lengths = nullptr;  // ints [B]: steps that attend to the memory; 0 for an item without conditions
  int64_t group = 1;             // B = P * group
  std::span<const Memory* const> memory = {};        // one a layer; null: that layer has none
  std::span<const AttentionPrior* const> prior = {};  // one a layer; null or empty: none
  bool dropout = false;
  uint64_t seed = 0;
  const PackedRows* packed = nullptr;  // the rows to compute; null: all. For a kernel of 1, without dropout
};

struct StackOutput {
  Var* y = nullptr;  // [B,T,C]; padded rows are zero
  std::span<LayerTrace> layers;
};

class Transformer {
 public:
  struct Layer {
    Param *norm_self, *qkv, *o;
    Param *norm_query = nullptr, *norm_memory = nullptr, *q = nullptr, *kv = nullptr, *cross_o = nullptr;
    Param *norm_ff, *proj, *out;
  };

  /** Declares the parameters as `prefix.…` (the published names). */
  Transformer(Params& params, const std::string& prefix, const TransformerConfig& config);

  /** The whole sequence at once. @throws Shape when it is longer than the position table. */
  StackOutput forward(Tape& tape, const StackInput& in) const;

  const TransformerConfig& config() const { return config_; }
  const Layer& layer(int64_t i) const { return layers_[static_cast<size_t>(i)]; }
  Param& positions() const { return *positions_; }
  Param* norm_out() const { return norm_out_; }
  /** @throws Shape unless a sequence of `length` steps has a position each. */
  void check_length(int64_t length) const;

 private:
  Var* self_attend(Tape& tape, int64_t index, Var* x, const StackInput& in, LayerTrace& trace) const;
  Var* cross_attend(Tape& tape, int64_t index, Var* x, const StackInput& in, LayerTrace& trace) const;
  Var* feed_forward(Tape& tape, int64_t index, Var* x, const StackInput& in, LayerTrace& trace) const;
  Var* drop(Tape& tape, Var* x, const StackInput& in, int64_t site) const;
  double dropout(const StackInput& in) const { return in.dropout ? config_.dropout : 0; }

  TransformerConfig config_;
  std::string prefix_;
  std::vector<Layer> layers_;
  Param* positions_;
  Param* norm_out_ = nullptr;
};

}  // namespace a2s
