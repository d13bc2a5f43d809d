#include "nn/decode_cache.h"

#include <algorithm>

#include "ops/attention/attention.h"
#include "ops/elementwise/elementwise.h"
#include "ops/embedding/embedding.h"
#include "ops/layer_norm/layer_norm.h"

namespace a2s {
namespace {

/** Bytes from the start of t to its row i (axis 0). */
char* row_of(const Tensor& t, int64_t i) {
  return static_cast<char*>(t.data) + i * (t.bytes() / t.dims[0]);
}

/** Row `to` of one tensor becomes row `from` of another, where there are any. */
void copy_row(const Tensor& source, int64_t from, const Tensor& target, int64_t to) {
  if (target) std::memcpy(row_of(target, to), row_of(source, from), target.bytes() / target.dims[0]);
}

/** Calls place(to, bytes) for each head's place of step t in row `row` of kept [rows, H, steps, D]. */
template <class F>
void each_place(const Tensor& kept, int64_t row, int64_t t, F&& place) {
  const int64_t H = kept.dims[1], steps = kept.dims[2], width = kept.dims[3] * static_cast<int64_t>(size_of(kept.dtype));
  char* to = row_of(kept, row) + t * width;
  for (int64_t h = 0; h < H; ++h, to += steps * width) place(to, width);
}

A2S_CLONES void round_all(const float* x, int64_t n, Bf16* to) {
  for (int64_t i = 0; i < n; ++i) to[i] = to_bf16(x[i]);
}

/** Keys or values x of step t, all heads, to their places; rounded where they are kept in bf16. */
void keep(const Tensor& kept, int64_t row, int64_t t, const char* x) {
  each_place(kept, row, t, [&](char* to, int64_t bytes) {
    const int64_t D = kept.dims[3];
    if (kept.dtype == DType::bf16) round_all((const float*)x, D, (Bf16*)to), x += D * sizeof(float);
    else std::memcpy(to, x, static_cast<size_t>(bytes)), x += bytes;
  });
}

/** Fetches those places before keep() writes to them. */
void expect(const Tensor& kept, int64_t row, int64_t t) {
  each_place(kept, row, t, [](const char* to, int64_t bytes) {
    for (int64_t at = 0; at < bytes; at += 64) __builtin_prefetch(to + at, 1);
  });
}

/** Each channel's window moves one step into the past and takes in x. */
template <class T>
void push(T* window, const T* x, int64_t channels, int64_t k) {
  for (int64_t c = 0; c < channels; ++c, window += k) {
    for (int64_t j = 1; j < k; ++j) window[j - 1] = window[j];
    window[k - 1] = x[c];
  }
}

/** window[c, j] = x[length - k + j, c], zero before the start. */
template <class T>
void fill_window(T* window, const T* x, int64_t length, int64_t channels, int64_t k) {
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t j = 0; j < k; ++j) {
      const int64_t t = length - k + j;
      window[c * k + j] = t < 0 ? T(0) : x[t * channels + c];
    }
}

}  // namespace

DecodeCache::DecodeCache(const Transformer& stack, DType dtype, Context ctx, Arena& arena, int64_t rows, int64_t steps, int64_t prefixes,
                         int64_t prefix_steps)
    : stack_(stack), dtype_(dtype), kept_(ctx.bf16 ? DType::bf16 : dtype), rows_(rows), steps_(steps), prefixes_(prefixes) {
  if (!stack.config().causal) fail_config("decode_cache: stack: expected a causal transformer, got a non-causal one");
  stack.check_length(prefix_steps + steps);
  for (int64_t i = 0; i < stack.config().layers; ++i) layers_.push_back(make_layer(stack.layer(i), ctx, arena, prefix_steps));
  used_ = new_tensor(arena, DType::i32, {rows});
  if (prefixes) prefix_of_ = new_tensor(arena, DType::i32, {rows}), prefix_used_ = new_tensor(arena, DType::i32, {prefixes});
  clear();
}

DecodeCache::Kept DecodeCache::room(Arena& arena, int64_t rows, int64_t steps) const {
  const TransformerConfig& c = stack_.config();
  Kept kept;
  for (Tensor* t : {&kept.k, &kept.v}) *t = new_tensor(arena, kept_, {rows, c.heads, steps, c.d_model / c.heads});
  if (c.kernel > 1) {
    kept.in = new_tensor(arena, dtype_, {rows, c.d_model, c.kernel});
    kept.hidden = new_tensor(arena, dtype_, {rows, c.d_ffn, c.kernel});
  }
  return kept;
}

DecodeCache::Layer DecodeCache::make_layer(const Transformer::Layer& w, Context ctx, Arena& arena, int64_t prefix_steps) const {
  Layer l;
  l.own = room(arena, rows_, std::max<int64_t>(1, steps_));
  if (prefixes_) l.prefix = room(arena, prefixes_, prefix_steps);
  auto packed = [&](const Param* p) { return PackedLinear(ctx, arena, p->value); };
  l.qkv = packed(w.qkv), l.o = packed(w.o);
  if (w.q) l.cross_q = packed(w.q), l.cross_o = packed(w.cross_o);
  l.proj = packed(w.proj), l.out = packed(w.out);
  return l;
}

void DecodeCache::clear() {
  fill_zero(used_);
  for (Layer& l : layers_)
    if (l.own.in) fill_zero(l.own.in), fill_zero(l.own.hidden);
}

void DecodeCache::load(int64_t prefix, std::span<const LayerTrace> layers, int64_t item, int64_t length) {
  const TransformerConfig& c = stack_.config();
  const size_t width = static_cast<size_t>(c.d_model) * size_of(dtype_);
  for (size_t i = 0; i < layers_.size(); ++i) {
    const auto& [k, v, in, hidden] = layers_[i].prefix;
    const char* qkv = row_of(layers[i].qkv->value, item);
    for (int64_t t = 0; t < length; ++t, qkv += 3 * width) {
      keep(k, prefix, t, qkv + width);
      keep(v, prefix, t, qkv + 2 * width);
    }
    auto fill = [&](const Tensor& window, const Tensor& x) {
      if (!window) return;
      char *w = row_of(window, prefix), *from = row_of(x, item);
      if (dtype_ == DType::f32) fill_window((float*)w, (const float*)from, length, window.dims[1], c.kernel);
      else fill_window((double*)w, (const double*)from, length, window.dims[1], c.kernel);
    };
    fill(in, layers[i].ff_in->value);
    fill(hidden, layers[i].ff_hidden->value);
  }
  prefix_used_.as<int32_t>()[prefix] = static_cast<int32_t>(length);
}

void DecodeCache::begin(int64_t row, int64_t prefix) {
  for (Layer& l : layers_) {
    copy_row(l.prefix.in, prefix, l.own.in, row);
    copy_row(l.prefix.hidden, prefix, l.own.hidden, row);
  }
  used_.as<int32_t>()[row] = 0;
  prefix_of_.as<int32_t>()[row] = static_cast<int32_t>(prefix);
}

void DecodeCache::copy(int64_t from, int64_t to) {
  const int64_t heads = stack_.config().heads;
  const size_t filled = static_cast<size_t>(used(from) * stack_.config().d_model / heads) * size_of(kept_);
  for (Layer& l : layers_) {
    for (const Tensor& kept : {l.own.k, l.own.v}) {
      const size_t head = kept.bytes() / static_cast<size_t>(rows_ * heads);
      for (int64_t h = 0; h < heads; ++h) std::memcpy(row_of(kept, to) + h * head, row_of(kept, from) + h * head, filled);
    }
    for (const Tensor& window : {l.own.in, l.own.hidden}) copy_row(window, from, window, to);
  }
  for (const Tensor& each : {used_, prefix_of_}) copy_row(each, from, each, to);
}

Var* DecodeCache::self_attend(Tape& tape, int64_t index, Var* x) {
  const Transformer::Layer& w = stack_.layer(index);
  Layer& l = layers_[static_cast<size_t>(index)];
  l.qkv.expect(tape.context());
  Var* h = tape.apply(layer_norm, {x, tape.param(*w.norm_self)});
  const int64_t R = x->value.dim(0), C = x->value.dim(1);
  for (int64_t r = 0; r < R; ++r)
    for (const Tensor& kept : {l.own.k, l.own.v}) expect(kept, r, used(r) - 1);
  Var* qkv = l.qkv.apply(tape, h);
  const size_t width = static_cast<size_t>(C) * size_of(dtype_);
  Tensor q = tape.alloc(dtype_, {R, l.own.k.dims[1], l.own.k.dims[3]});
  for (int64_t r = 0; r < R; ++r) {
    const char* from = row_of(qkv->value, r);
    std::memcpy(row_of(q, r), from, width);
    keep(l.own.k, r, used(r) - 1, from + width);
    keep(l.own.v, r, used(r) - 1, from + 2 * width);
  }
  auto prefix = [&](const Tensor& t) { return prefixes_ ? tape.constant(t) : nullptr; };
  Var* y = tape.apply(decode_attention,
                      {tape.constant(q), tape.constant(rows_of(l.own.k, 0, R)), tape.constant(rows_of(l.own.v, 0, R)),
                       tape.constant(rows_of(used_, 0, R)), prefix(l.prefix.k), prefix(l.prefix.v), prefix(prefix_used_),
                       prefixes_ ? tape.constant(rows_of(prefix_of_, 0, R)) : nullptr});
  return l.o.apply(tape, tape.view(y, {R, C}), {.residual = x});
}

Var* DecodeCache::cross_attend(Tape& tape, int64_t index, Var* x, const CrossStep& cross) {
  const size_t i = static_cast<size_t>(index);
  if (!cross.kv[i]) return x;
  const Transformer::Layer& w = stack_.layer(index);
  layers_[i].proj.expect(tape.context());  // products in between are too short to share
  const int64_t A = cross.rows->value.size(), P = cross.counts->value.size(), E = stack_.config().cross.width();
  const bool all = A == x->value.dim(0);
  Var* own = all ? x : tape.apply(embedding, {cross.rows, x});
  Var* h = tape.apply(layer_norm, {own, tape.param(*w.norm_query)});
  Var* q = layers_[i].cross_q.apply(tape, h);

  // Rows of one prompt become query rows of one call.
  Tensor slots = tape.alloc(dtype_, {P, cross.slots, E}), back = tape.alloc(dtype_, {A, E});
  fill_zero(slots);
  const Tensor flat = make_tensor(slots.data, dtype_, {P * cross.slots, E});
  const size_t width = static_cast<size_t>(E) * size_of(dtype_);
  for (int64_t a = 0; a < A; ++a) std::memcpy(row_of(flat, cross.slot[a]), row_of(q->value, a), width);
  Var* queries = tape.constant(slots);
  if (!cross.queries.empty()) cross.queries[i] = queries;
  Var* prior = cross.prior.empty() ? nullptr : cross.prior[i];
  Var* y = tape.apply(cross_attention, {queries, cross.kv[i], cross.counts, cross.lengths[i], prior},
                      {{"heads", double(stack_.config().cross.heads)},
                       {"prior_mode", double(int(prior ? AttentionPrior::Mode::inference : AttentionPrior::Mode::none))}});
  const Tensor out = make_tensor(y->value.data, dtype_, {P * cross.slots, E});
  for (int64_t a = 0; a < A; ++a) std::memcpy(row_of(back, a), row_of(out, cross.slot[a]), width);
  if (all) return layers_[i].cross_o.apply(tape, tape.constant(back), {.residual = x});
  y = layers_[i].cross_o.apply(tape, tape.constant(back));

  Tensor spread = tape.alloc(dtype_, {x->value.dim(0), x->value.dim(1)});
  fill_zero(spread);
  for (int64_t a = 0; a < A; ++a)
    std::memcpy(row_of(spread, cross.rows->value.as<int32_t>()[a]), row_of(y->value, a), y->value.bytes() / A);
  return tape.apply(add, {x, tape.constant(spread)});
}

/** The window over the last inputs of a convolution, x the newest; x itself when it spans one step. */
Var* DecodeCache::windowed(Tape& tape, const Tensor& window, Var* x) {
  if (!window) return x;
  const int64_t R = x->value.dim(0), C = window.dim(1), k = window.dim(2);
  for (int64_t r = 0; r < R; ++r) {
    char *to = row_of(window, r), *from = row_of(x->value, r);
    if (dtype_ == DType::f32) push((float*)to, (const float*)from, C, k);
    else push((double*)to, (const double*)from, C, k);
  }
  return tape.constant(make_tensor(window.data, dtype_, {R, C * k}));
}

Var* DecodeCache::feed_forward(Tape& tape, int64_t index, Var* x) {
  Layer& l = layers_[static_cast<size_t>(index)];
  Var* h = tape.apply(layer_norm, {x, tape.param(*stack_.layer(index).norm_ff)});
  h = l.proj.apply(tape, windowed(tape, l.own.in, h), {.gelu = true});
  return l.out.apply(tape, windowed(tape, l.own.hidden, h), {.residual = x});
}

Var* DecodeCache::step(Tape& tape, Var* x, const CrossStep* cross) {
  const int64_t R = x->value.dim(0);
  Tensor positions = tape.alloc(DType::i32, {R});
  for (int64_t r = 0; r < R; ++r) {
    int32_t& used = used_.as<int32_t>()[r];
    if (used >= steps_)
      fail_shape("decode_cache: steps: expected at most " + std::to_string(steps_) + ", got one more");
    positions.as<int32_t>()[r] = used++ + (prefixes_ ? prefix_used_.as<int32_t>()[prefix_of_.as<int32_t>()[r]] : 0);
  }
  x = tape.apply(add, {x, tape.apply(embedding, {tape.constant(positions), tape.param(stack_.positions())})});
  for (int64_t i = 0; i < stack_.config().layers; ++i) {
    x = self_attend(tape, i, x);
    if (cross) x = cross_attend(tape, i, x, *cross);
    x = feed_forward(tape, i, x);
  }
  return stack_.norm_out() ? tape.apply(layer_norm, {x, tape.param(*stack_.norm_out())}) : x;
}

}  // namespace a2s
