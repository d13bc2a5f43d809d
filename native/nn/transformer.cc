#include "nn/transformer.h"

#include <cmath>

#include "ops/attention/attention.h"
#include "ops/elementwise/elementwise.h"
#include "ops/embedding/embedding.h"
#include "ops/layer_norm/layer_norm.h"
#include "ops/linear/linear.h"
#include "ops/sequence/sequence.h"

namespace a2s {
namespace {

// Dropout sites of a layer; the input of the stack has the site after the last layer's.
enum Site : int64_t { kSelfProbs, kSelfOut, kCrossProbs, kCrossOut, kFeedForward, kSitesPerLayer };

constexpr double kInit = 0.02;

double as_attr(MaskConvention m) { return m == MaskConvention::query ? 1 : 0; }

/** Rows [B,T,C] of the batch as those that are computed, [1,M,C]; the same without packing. */
Var* pack(Tape& tape, Var* x, const StackInput& in) {
  if (!in.packed) return x;
  const int64_t C = x->value.dim(2), M = in.packed->rows.size();
  return tape.view(tape.apply(embedding, {tape.constant(in.packed->rows), tape.view(x, {x->value.size() / C, C})}), {1, M, C});
}

/** The other way round: each sequence with all its rows, zero where there are none. */
Var* unpack(Tape& tape, Var* x, const StackInput& in) {
  if (!in.packed) return x;
  const int64_t C = x->value.dim(2);
  return tape.apply(embedding, {tape.constant(in.packed->places), tape.view(x, {x->value.size() / C, C})});
}

}  // namespace

Transformer::Transformer(Params& params, const std::string& prefix, const TransformerConfig& config)
    : config_(config), prefix_(prefix) {
  const auto& [layers, C, F, heads, k, causal, positions, cross, mask, norm_out, dropout, site] = config;
  const double out_init = kInit / std::sqrt(2.0 * static_cast<double>(layers));
  positions_ = &params.add(prefix + ".position_embeddings.weight", {positions, C}, kInit);
  for (int64_t i = 0; i < layers; ++i) {
    const std::string at = prefix + ".layers." + std::to_string(i) + ".";
    Layer l{};
    l.norm_self = &params.add(at + "norm_self.weight", {C}, 0, 1);
    l.qkv = &params.add(at + "self_attention.qkv_net.weight", {3 * C, C}, kInit);
    l.o = &params.add(at + "self_attention.o_net.weight", {C, C}, out_init);
    if (cross.heads) {
      const int64_t E = cross.width();
      l.norm_query = &params.add(at + "norm_xattn_query.weight", {C}, 0, 1);
      if (cross.norm) l.norm_memory = &params.add(at + "norm_xattn_memory.weight", {cross.memory}, 0, 1);
      l.q = &params.add(at + "cross_attention.q_net.weight", {E, C}, kInit);
      l.kv = &params.add(at + "cross_attention.kv_net.weight", {2 * E, cross.memory}, kInit);
      l.cross_o = &params.add(at + "cross_attention.o_net.weight", {C, E}, out_init);
    }
    l.norm_ff = &params.add(at + "norm_pos_ff.weight", {C}, 0, 1);
    l.proj = &params.add(at + "pos_ff.proj.conv.weight", {F, C, k}, kInit);
    l.out = &params.add(at + "pos_ff.o_net.conv.weight", {C, F, k}, out_init);
    layers_.push_back(l);
  }
  if (norm_out) norm_out_ = &params.add(prefix + ".norm_out.weight", {C}, 0, 1);
}

void Transformer::check_length(int64_t length) const {
  if (length > config_.max_positions)
    fail_shape(prefix_ + ": steps: expected at most " + std::to_string(config_.max_positions) +
               " (rows of the position table), got " + std::to_string(length));
}

Var* Transformer::drop(Tape& tape, Var* x, const StackInput& in, int64_t site) const {
  if (dropout(in) == 0) return x;
  return tape.apply(a2s::dropout, {x},
                    {{"p", dropout(in)}, {"seed", double(in.seed)}, {"layer", double(config_.site + site)}});
}

Var* Transformer::self_attend(Tape& tape, int64_t index, Var* x, const StackInput& in, LayerTrace& trace) const {
  const Layer& l = layer(index);
  const int64_t site = index * kSitesPerLayer;
  Var* h = tape.apply(layer_norm, {x, tape.param(*l.norm_self)});
  trace.qkv = tape.apply(linear, {h, tape.param(*l.qkv)});
  Var* y = tape.apply(self_attention, {unpack(tape, trace.qkv, in), in.lengths},
                      {{"heads", double(config_.heads)},
                       {"causal", double(config_.causal)},
                       {"mask", as_attr(config_.mask)},
                       {"dropout", dropout(in)},
                       {"seed", double(in.seed)},
                       {"layer", double(config_.site + site + kSelfProbs)}});
  y = drop(tape, tape.apply(linear, {pack(tape, y, in), tape.param(*l.o)}), in, site + kSelfOut);
  return tape.apply(add, {x, y}, {}, y);
}

Var* Transformer::cross_attend(Tape& tape, int64_t index, Var* x, const StackInput& in, LayerTrace& trace) const {
  const Memory* memory = in.memory.empty() ? nullptr : in.memory[static_cast<size_t>(index)];
  if (!memory) return x;
  const AttentionPrior* prior = in.prior.empty() ? nullptr : in.prior[static_cast<size_t>(index)];
  static constexpr AttentionPrior kNone{};
  const AttentionPrior& p = prior ? *prior : kNone;
  const Layer& l = layer(index);
  const int64_t site = index * kSitesPerLayer;

  Var* h = tape.apply(layer_norm, {x, tape.param(*l.norm_query)});
  trace.cross_q = tape.apply(linear, {h, tape.param(*l.q)});
  Var* m = memory->rows;
  if (l.norm_memory) m = tape.apply(layer_norm, {m, tape.param(*l.norm_memory)});
  trace.cross_kv = tape.apply(linear, {m, tape.param(*l.kv)});
  // An item without conditions attends to nothing: a zero memory has zero values, so its output and gradients are zero.
  Var* y = tape.apply(cross_attention, {unpack(tape, trace.cross_q, in), trace.cross_kv, in.cross_lengths, memory->lengths, p.rows},
                      {{"heads", double(config_.cross.heads)},
                       {"group", double(in.group)},
                       {"prior_mode", double(int(p.mode))},
                       {"prior_eps", p.eps},
                       {"strict", double(p.strict)},
                       {"dropout", dropout(in)},
                       {"seed", double(in.seed)},
                       {"layer", double(config_.site + site + kCrossProbs)}});
  y = drop(tape, tape.apply(linear, {pack(tape, y, in), tape.param(*l.cross_o)}), in, site + kCrossOut);
  return tape.apply(add, {x, y}, {}, y);
}

Var* Transformer::feed_forward(Tape& tape, int64_t index, Var* x, const StackInput& in, LayerTrace& trace) const {
  const Layer& l = layer(index);
  const double causal = config_.causal;
  const bool spreads = config_.kernel > 1 && in.lengths;  // a convolution writes past the end of an item
  trace.ff_in = tape.apply(layer_norm, {x, tape.param(*l.norm_ff)});
  Var* h = tape.apply(conv1d_btc, {trace.ff_in, tape.param(*l.proj)}, {{"causal", causal}, {"act", 1}});
  if (spreads && config_.mask == MaskConvention::strict && !config_.causal) h = tape.apply(mask_rows, {h, in.lengths});
  trace.ff_hidden = h;
  Var* y = drop(tape, tape.apply(conv1d_btc, {h, tape.param(*l.out)}, {{"causal", causal}}), in, index * kSitesPerLayer + kFeedForward);
  x = tape.apply(add, {x, y}, {}, y);
  return spreads ? tape.apply(mask_rows, {x, in.lengths}) : x;
}

StackOutput Transformer::forward(Tape& tape, const StackInput& in) const {
  check_length(in.x->value.dim(1));
  if (in.packed && (config_.kernel > 1 || dropout(in) > 0))
    fail_config(prefix_ + ": packed rows: expected a kernel of 1 and no dropout, got a kernel of " + std::to_string(config_.kernel) +
                " and dropout of " + std::to_string(dropout(in)));
  StackOutput out;
  LayerTrace* traces = tape.arena().alloc<LayerTrace>(config_.layers);
  out.layers = {traces, static_cast<size_t>(config_.layers)};

  Var* x = tape.apply(add_positions, {in.x, tape.param(*positions_)});
  x = drop(tape, x, in, config_.layers * kSitesPerLayer);
  if (in.packed) x = pack(tape, x, in);
  else if (in.lengths) x = tape.apply(mask_rows, {x, in.lengths});
  for (int64_t i = 0; i < config_.layers; ++i) {
    LayerTrace& trace = *new (traces + i) LayerTrace{};
    x = self_attend(tape, i, x, in, trace);
    x = cross_attend(tape, i, x, in, trace);
    x = feed_forward(tape, i, x, in, trace);
  }
  out.y = unpack(tape, norm_out_ ? tape.apply(layer_norm, {x, tape.param(*norm_out_)}) : x, in);
  return out;
}

}  // namespace a2s
