#include "tts/step_decoder.h"

#include <algorithm>

#include "ops/attention/attention.h"
#include "ops/sequence/sequence.h"

namespace a2s {
namespace {

template <class T>
void add_heads(const Tensor& probs, int64_t item, int64_t row, double weight, std::vector<double>& to) {
  const int64_t H = probs.dim(1), R = probs.dim(2), N = probs.dim(3);
  to.resize(static_cast<size_t>(N));
  for (int64_t h = 0; h < H; ++h) {
    const T* p = probs.as<T>() + ((item * H + h) * R + row) * N;
    for (int64_t n = 0; n < N; ++n) to[static_cast<size_t>(n)] += weight * p[n] / static_cast<double>(H);
  }
}

/** Adds one layer's head-averaged probabilities [items,H,rows,N] to the attention of each running sample. */
void add_attention(const Tensor& probs, std::span<const std::pair<int64_t, int64_t>> place, double weight, Attention& attention) {
  attention.resize(place.size());
  for (size_t a = 0; a < place.size(); ++a) {
    if (probs.dtype == DType::f32) add_heads<float>(probs, place[a].first, place[a].second, weight, attention[a]);
    else add_heads<double>(probs, place[a].first, place[a].second, weight, attention[a]);
  }
}

/** Writes a sample's prior over a row of N text positions; open beyond its weights. */
void write_weights(const std::vector<double>& weights, const Tensor& prior, int64_t row) {
  const int64_t N = prior.dim(-1);
  for (int64_t n = 0; n < N; ++n) {
    const double w = n < static_cast<int64_t>(weights.size()) ? weights[static_cast<size_t>(n)] : 1;
    if (prior.dtype == DType::f32) prior.as<float>()[row * N + n] = static_cast<float>(w);
    else prior.as<double>()[row * N + n] = w;
  }
}

bool prior_started(const Generation& g) {
  return g.prior && !g.running.empty() && !g.windows[static_cast<size_t>(g.running[0].sample)].weights().empty();
}

/** Attention of the last row of a whole-sequence pass; sample a is item item_of(a) of the batch. */
template <class F>
void observe_last_row(Tape& tape, const Generation& g, const Encoded& prompts, const Decoded& d, const AttentionPrior* prior, F&& item_of,
                      Attention& attention) {
  Arena& arena = tape.arena();
  const int64_t B = d.lengths->value.size();
  Tensor last = new_tensor(arena, DType::i32, {B});
  for (int64_t b = 0; b < B; ++b)
    last.as<int32_t>()[b] = (d.start ? d.start->value.as<int32_t>()[b] : 0) + d.lengths->value.as<int32_t>()[b] - 1;
  Var *at = tape.constant(last), *one = tape.constant(constant_ints(B, 1, arena));
  Var* rows = prior ? tape.apply(slice_time, {prior->rows, at, one}, {{"frames", 1}}) : nullptr;
  std::vector<std::pair<int64_t, int64_t>> place;
  for (size_t a = 0; a < g.running.size(); ++a) place.emplace_back(item_of(static_cast<int64_t>(a)), 0);

  const auto layers = g.tts.text_layers(g.prior->estimate_layers), held = g.tts.text_layers(g.prior->apply_layers);
  for (int64_t i : layers) {
    const LayerTrace& trace = d.layers[static_cast<size_t>(i)];
    Var* q = tape.apply(slice_time, {trace.cross_q, at, one}, {{"frames", 1}});
    Var* weights = std::find(held.begin(), held.end(), i) == held.end() ? nullptr : rows;
    Var* probs = tape.apply(attention_probs, {q, trace.cross_kv, nullptr, prompts.text_lengths, weights},
                            {{"heads", double(g.tts.config().cross_heads)},
                             {"group", double(d.group)},
                             {"prior_mode", double(int(weights ? AttentionPrior::Mode::inference : AttentionPrior::Mode::none))}});
    add_attention(probs->value, place, 1.0 / static_cast<double>(layers.size()), attention);
  }
}

/** 0, 1, 0, 1, …: the second of each pair is the unconditional twin. */
Tensor twin_flags(const Generation& g, int64_t items, Arena& arena) {
  if (!g.guided) return {};
  Tensor flags = new_tensor(arena, DType::i32, {items * 2});
  for (int64_t i = 0; i < flags.size(); ++i) flags.as<int32_t>()[i] = i % 2;
  return flags;
}

class ExactDecoder : public StepDecoder {
 public:
  explicit ExactDecoder(Generation& g) : g_(g), layers_(g.tts.text_layers(g.prior->apply_layers)) {}

  Var* step(Tape& tape, int64_t step, Attention& attention) override {
    const int64_t A = static_cast<int64_t>(g_.running.size()), w = g_.width();
    const Encoded prompts = pick(tape);
    const AudioRows audio = history(step, tape.arena());
    const AttentionPrior prior = window(tape, prompts, step + 1);
    const Decoded d = g_.tts.decode(tape, prompts, audio,
                                    {.group = w, .unconditional = twin_flags(g_, A, tape.arena()),
                                     .text_prior = prior.rows ? &prior : nullptr, .prior_layers = layers_});
    observe_last_row(tape, g_, prompts, d, prior.rows ? &prior : nullptr, [w](int64_t a) { return a * w; }, attention);
    Var* last = tape.constant(constant_ints(A * w, static_cast<int32_t>(step), tape.arena()));
    Var* one = tape.constant(constant_ints(A * w, 1, tape.arena()));
    Var* h = tape.apply(slice_time, {d.hidden, last, one}, {{"frames", 1}});
    return tape.view(h, {A * w, g_.tts.config().d_model});
  }

  void drop(int64_t) override {}

 private:
  /** The prompts of the running samples, one each. */
  Encoded pick(Tape& tape) const {
    auto chosen = [&](const Tensor& from) {
      Tensor to = from;
      to.dims[0] = static_cast<int64_t>(g_.running.size());
      to.data = tape.arena().alloc(to.bytes());
      const size_t row = from.bytes() / from.dims[0];
      for (size_t a = 0; a < g_.running.size(); ++a)
        std::memcpy(static_cast<char*>(to.data) + a * row, static_cast<char*>(from.data) + g_.running[a].prompt * row, row);
      return tape.constant(to);
    };
    return {chosen(g_.text), chosen(g_.text_lengths), chosen(g_.context), chosen(g_.context_lengths)};
  }

  /** The running samples so far, each with its twin. */
  AudioRows history(int64_t step, Arena& arena) const {
    const TtsConfig& c = g_.tts.config();
    const int64_t items = static_cast<int64_t>(g_.running.size()) * g_.width(), frames = step * c.frame_stacking;
    const int64_t K = c.codebooks, room = g_.codes.dim(2);
    Tensor codes = new_tensor(arena, DType::i32, {items, K, std::max<int64_t>(frames, 1)});
    for (int64_t i = 0; i < items; ++i)
      for (int64_t k = 0; k < K; ++k)
        std::copy_n(g_.codes.as<int32_t>() + (g_.running[static_cast<size_t>(i / g_.width())].sample * K + k) * room, frames,
                    codes.as<int32_t>() + (i * K + k) * codes.dim(2));
    return audio_rows(c, codes, constant_ints(items, static_cast<int32_t>(frames), arena), arena);
  }

  /** The newest weights of every sample, over all steps. */
  AttentionPrior window(Tape& tape, const Encoded& prompts, int64_t steps) const {
    AttentionPrior prior{.mode = AttentionPrior::Mode::inference};
    if (!prior_started(g_)) return prior;
    const int64_t T = steps + (g_.tts.config().has_prefix() ? prompts.context->value.dim(1) : 0);
    const int64_t items = static_cast<int64_t>(g_.running.size()) * g_.width();
    Tensor rows = tape.alloc(g_.tts.dtype(), {items, T, prompts.text->value.dim(1)});
    for (int64_t i = 0; i < items; ++i)
      for (int64_t t = 0; t < T; ++t)
        write_weights(g_.windows[static_cast<size_t>(g_.running[static_cast<size_t>(i / g_.width())].sample)].weights(), rows, i * T + t);
    prior.rows = tape.constant(rows);
    return prior;
  }

  Generation& g_;
  std::vector<int64_t> layers_;
};

class CachedDecoder : public StepDecoder {
 public:
  CachedDecoder(Generation& g, Context ctx, Arena& arena, int64_t steps, std::atomic<bool>* cancel)
      : g_(g),
        cache_(g.tts.decoder(), g.tts.dtype(), ctx, arena, static_cast<int64_t>(g.running.size()) * g.width(), steps - 1,
               g.prompts() * g.width(), 1 + (g.tts.config().has_prefix() ? g.context.dim(1) : 0)) {
    const TtsConfig& c = g.tts.config();
    const int64_t P = g.prompts(), B = static_cast<int64_t>(g.running.size());
    for (int64_t i = 0; i < c.decoder_layers; ++i) {
      const bool text = g.tts.attends_to_text(i);
      const int64_t N = text ? g.text.dim(1) : g.context.dim(1);
      kv_.push_back(new_tensor(arena, g.tts.dtype(), {P, N, 2 * c.cross_heads * c.cross_head_dim}));
      kv_lengths_.push_back(text ? g.text_lengths : g.context_lengths);
    }
    first_ = new_tensor(arena, g.tts.dtype(), {B * g.width(), c.d_model});
    ScratchScope scope(arena);
    Tape tape(ctx, arena, Tape::Mode::infer);
    tape.cancel = cancel;
    prefill(tape);
  }

  Var* step(Tape& tape, int64_t step, Attention& attention) override {
    if (step == 0) {
      attention = first_attention_;
      return tape.constant(first_);
    }
    Var* x = newest(tape, step);
    Slots slots(g_, tape);
    const size_t L = kv_.size();
    std::vector<Var*> kv(L), lengths(L), prior(L, nullptr), queries(L, nullptr);
    for (size_t i = 0; i < L; ++i) kv[i] = tape.constant(kv_[i]), lengths[i] = tape.constant(kv_lengths_[i]);
    if (prior_started(g_))
      for (Var* weights = slots.weights(g_, tape); int64_t i : g_.tts.text_layers(g_.prior->apply_layers))
        prior[static_cast<size_t>(i)] = weights;
    const CrossStep cross{kv, lengths, prior, slots.rows, slots.slot.data(), slots.counts, slots.most, queries};
    Var* h = cache_.step(tape, x, &cross);
    if (g_.prior) observe(tape, cross, slots, attention);
    return h;
  }

  void drop(int64_t index) override {
    const int64_t w = g_.width(), last = static_cast<int64_t>(g_.running.size()) - 1;
    if (index == last) return;
    for (int64_t i = 0; i < w; ++i) cache_.copy(last * w + i, index * w + i);
  }

 private:
  /** Where the running samples stand as query rows of their prompts. */
  struct Slots {
    std::vector<int32_t> slot;
    int64_t most = 0;  // slots a prompt
    Var *rows, *counts;
    Slots(const Generation& g, Tape& tape) : slot(g.running.size()) {
      const int64_t A = static_cast<int64_t>(slot.size()), P = g.prompts();
      Tensor own = tape.alloc(DType::i32, {A}), count = constant_ints(P, 0, tape.arena());
      for (int64_t a = 0; a < A; ++a) {
        own.as<int32_t>()[a] = static_cast<int32_t>(a * g.width());
        slot[static_cast<size_t>(a)] = count.as<int32_t>()[g.running[static_cast<size_t>(a)].prompt]++;
      }
      most = *std::max_element(count.as<int32_t>(), count.as<int32_t>() + P);
      for (int64_t a = 0; a < A; ++a)
        slot[static_cast<size_t>(a)] += static_cast<int32_t>(g.running[static_cast<size_t>(a)].prompt * most);
      rows = tape.constant(own);
      counts = tape.constant(count);
    }
    /** The prior of each slot [P,most,N]. */
    Var* weights(const Generation& g, Tape& tape) const {
      Tensor w = tape.alloc(g.tts.dtype(), {g.prompts(), most, g.text.dim(1)});
      fill_zero(w);
      for (size_t a = 0; a < slot.size(); ++a)
        write_weights(g.windows[static_cast<size_t>(g.running[a].sample)].weights(), w, slot[a]);
      return tape.constant(w);
    }
  };

  /** Runs each prompt's prefix and BOS, with its twin; the prompt's samples share their keys and values. */
  void prefill(Tape& tape) {
    const int64_t P = g_.prompts(), w = g_.width(), G = g_.group;
    const Encoded prompts{tape.constant(g_.text), tape.constant(g_.text_lengths), tape.constant(g_.context), tape.constant(g_.context_lengths)};
    const AudioRows bos = audio_rows(g_.tts.config(), {}, constant_ints(P * w, 0, tape.arena()), tape.arena());
    const Decoded d = g_.tts.decode(tape, prompts, bos, {.group = w, .unconditional = twin_flags(g_, P, tape.arena())});
    for (size_t i = 0; i < kv_.size(); ++i) std::memcpy(kv_[i].data, d.layers[i].cross_kv->value.data, kv_[i].bytes());
    for (int64_t item = 0; item < P * w; ++item)
      cache_.load(item, d.layers, item, (d.start ? d.start->value.as<int32_t>()[item] : 0) + 1);
    const size_t width = first_.bytes() / static_cast<size_t>(first_.dim(0));
    for (int64_t row = 0; row < P * G * w; ++row) {
      const int64_t item = row / (G * w) * w + row % w;
      cache_.begin(row, item);
      std::memcpy(static_cast<char*>(first_.data) + row * width, static_cast<char*>(d.hidden->value.data) + item * width, width);
    }
    if (g_.prior)
      observe_last_row(tape, g_, prompts, d, nullptr, [&](int64_t a) { return a / G * w; }, first_attention_);
  }

  /** Embedded codes of the step before, once for each row. */
  Var* newest(Tape& tape, int64_t step) {
    const TtsConfig& c = g_.tts.config();
    const int64_t rows = static_cast<int64_t>(g_.running.size()) * g_.width(), K = c.codebooks, S = c.frame_stacking;
    Tensor codes = tape.alloc(DType::i32, {rows, K, S});
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t k = 0; k < K; ++k)
        std::copy_n(g_.codes.as<int32_t>() + (g_.running[static_cast<size_t>(r / g_.width())].sample * K + k) * g_.codes.dim(2) + (step - 1) * S,
                    S, codes.as<int32_t>() + (r * K + k) * S);
    return tape.view(g_.tts.embed_audio(tape, codes), {rows, c.d_model});
  }

  void observe(Tape& tape, const CrossStep& cross, const Slots& slots, Attention& attention) {
    std::vector<std::pair<int64_t, int64_t>> place;
    for (int32_t s : slots.slot) place.emplace_back(s / slots.most, s % slots.most);
    const auto layers = g_.tts.text_layers(g_.prior->estimate_layers);
    for (int64_t index : layers) {
      const size_t i = static_cast<size_t>(index);
      Var* probs = tape.apply(attention_probs, {cross.queries[i], cross.kv[i], cross.counts, cross.lengths[i], cross.prior[i]},
                              {{"heads", double(g_.tts.config().cross_heads)},
                               {"prior_mode", double(int(cross.prior[i] ? AttentionPrior::Mode::inference : AttentionPrior::Mode::none))}});
      add_attention(probs->value, place, 1.0 / static_cast<double>(layers.size()), attention);
    }
  }

  Generation& g_;
  DecodeCache cache_;
  std::vector<Tensor> kv_, kv_lengths_;
  Tensor first_;  // hidden rows of step 0
  Attention first_attention_;
};

}  // namespace

std::unique_ptr<StepDecoder> cached_decoder(Generation& g, Context ctx, Arena& arena, int64_t steps, std::atomic<bool>* cancel) {
  return std::make_unique<CachedDecoder>(g, ctx, arena, steps, cancel);
}
std::unique_ptr<StepDecoder> exact_decoder(Generation& g) { return std::make_unique<ExactDecoder>(g); }

}  // namespace a2s
