#include "judge/passes.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "ops/ctc/ctc.h"
#include "ops/margin_softmax/margin_softmax.h"
#include "ops/squared_error/squared_error.h"

namespace a2s {
namespace {

void require(const Tensor& t, const char* name, DType dtype, int rank, const std::string& axes) {
  if (!t || t.dtype != dtype || t.rank != rank)
    fail_shape(std::string("judge: ") + name + ": expected " + name_of(dtype) + " " + axes + ", got " +
               (t ? std::string(name_of(t.dtype)) + " " + shape_string(t.shape()) : "none"));
}

/** One number an item. */
void require_items(const Tensor& t, const char* name, DType dtype, int64_t B) {
  const std::string axes = shape_string({&B, 1});
  require(t, name, dtype, 1, axes);
  if (t.size() != B)
    fail_shape(std::string("judge: ") + name + ": expected " + axes + ", got " + shape_string(t.shape()));
}

[[noreturn]] void fail_item(const char* name, int64_t b, const std::string& expected, const std::string& got, ErrorCode code) {
  fail(code, std::string("judge: ") + name + "[" + std::to_string(b) + "]: expected " + expected + ", got " + got);
}

/** Samples of each item. An item without a mel frame has nothing to judge. */
Tensor checked_samples(Tape& tape, const JudgeConfig& config, const JudgeBatch& batch) {
  const int64_t B = batch.wav.dim(0), S = batch.wav.dim(1);
  Tensor samples = batch.samples;
  if (samples) require_items(samples, "samples", DType::i32, B);
  else {
    samples = tape.alloc(DType::i32, {B});
    std::fill_n(samples.as<int32_t>(), B, static_cast<int32_t>(S));
  }
  for (int64_t b = 0; b < B; ++b)
    if (const int32_t n = samples.as<int32_t>()[b]; n < config.hop_length || n > S)
      fail_item("samples", b, std::to_string(config.hop_length) + " (hop_length) to " + std::to_string(S), std::to_string(n), ErrorCode::Shape);
  return samples;
}

template <class T>
void check_finite(const Tensor& wav, const Tensor& samples) {
  for (int64_t b = 0; b < wav.dim(0); ++b)
    for (int64_t s = 0; s < samples.as<int32_t>()[b]; ++s)
      if (!std::isfinite(wav.as<T>()[b * wav.dim(1) + s]))
        fail_item("wav", b, "finite samples", std::to_string(wav.as<T>()[b * wav.dim(1) + s]) + " at " + std::to_string(s), ErrorCode::Data);
}

/** Checks what is judged and returns the samples of each item. */
Tensor check_speech(Tape& tape, const Judge& judge, const JudgeBatch& batch) {
  require(batch.wav, "wav", judge.dtype(), 2, "[B, S]");
  if (batch.wav.dim(0) == 0) fail_shape("judge: wav: expected at least one item, got " + shape_string(batch.wav.shape()));
  const Tensor samples = checked_samples(tape, judge.config(), batch);
  if (judge.dtype() == DType::f32) check_finite<float>(batch.wav, samples);
  else check_finite<double>(batch.wav, samples);
  return samples;
}

/** What is true of the speech has the form that this judge learns from. Values are left to the ops of the losses. */
void check_truth(const Judge& judge, const JudgeBatch& batch) {
  const JudgeKind kind = judge.config().head.kind;
  const int64_t B = batch.wav.dim(0);
  auto unused = [&](const Tensor& t, const char* name) {
    if (t) fail_config(std::string("judge: ") + name + ": expected none for a judge of this kind, got one");
  };
  if (kind == JudgeKind::ctc) {
    require(batch.targets, "targets", DType::i32, 2, "[B, U]");
    require_items(batch.target_lengths, "target_lengths", DType::i32, B);
  } else unused(batch.targets, "targets"), unused(batch.target_lengths, "target_lengths");
  if (kind == JudgeKind::speaker) require_items(batch.labels, "labels", DType::i32, B);
  else unused(batch.labels, "labels");
  if (kind != JudgeKind::quality) return unused(batch.quality, "quality");
  require_items(batch.quality, "quality", judge.dtype(), B);
  auto value = [&](int64_t b) { return number(batch.quality, b); };
  for (int64_t b = 0; b < B; ++b)
    if (!std::isfinite(value(b))) fail_item("quality", b, "a finite number", std::to_string(value(b)), ErrorCode::Data);
}

Var* loss_of(Tape& tape, const Judge& judge, const JudgeBatch& batch, const Judge::Heard& heard, Var* answer) {
  const JudgeHead& head = judge.config().head;
  if (head.kind == JudgeKind::ctc)
    return tape.apply(ctc_loss, {answer, tape.constant(batch.targets), tape.constant(heard.frames), tape.constant(batch.target_lengths)},
                      {{"zero_infinity", 1}});
  if (head.kind == JudgeKind::speaker)
    return tape.apply(margin_softmax, {judge.class_cosines(tape, answer), tape.constant(batch.labels)},
                      {{"scale", head.scale}, {"margin", head.margin}});
  const int64_t B = answer->value.size();
  return tape.apply(squared_error, {tape.view(answer, {1, B}), tape.view(tape.constant(batch.quality), {1, B}), nullptr});
}

/** Dropout draws from (seed, sample, position) alone, so the step enters its seed. */
JudgeNoise dropout_noise(const JudgeConfig& config, const JudgeStep& step) {
  const auto words = Rng{step.seed, static_cast<uint32_t>(Stream::dropout)}.words(step.step, 0);
  return {config.dropout, (uint64_t{words[0]} << 20) ^ words[1]};  // below 2^53, as seeds of ops are
}

}  // namespace

JudgeAnswer evaluate(Tape& tape, const Judge& judge, const JudgeBatch& batch) {
  const Judge::Heard heard = judge.hear(tape, batch.wav, check_speech(tape, judge, batch));
  return {judge.answer(tape, heard)->value, heard.frames};
}

JudgeTrained train(Tape& tape, const Judge& judge, const JudgeBatch& batch, double weight, const std::optional<JudgeStep>& noise) {
  const Tensor samples = check_speech(tape, judge, batch);
  check_truth(judge, batch);
  if (!std::isfinite(weight)) fail_config("judge: weight: expected a finite number, got " + std::to_string(weight));
  const Judge::Heard heard =
      judge.hear(tape, batch.wav, samples, noise ? dropout_noise(judge.config(), *noise) : JudgeNoise{});
  Var* answer = judge.answer(tape, heard);
  Var* loss = loss_of(tape, judge, batch, heard, answer);
  const Tensor seed = tape.alloc(loss->value.dtype, {1});
  if (seed.dtype == DType::f32) seed.as<float>()[0] = static_cast<float>(weight);
  else seed.as<double>()[0] = weight;
  tape.backward(loss, seed);
  return {number(loss->value), {answer->value, heard.frames}};
}

}  // namespace a2s
