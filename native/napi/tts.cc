#include "napi/tts.h"

#include <algorithm>

#include "core/side_by_side.h"
#include "napi/params.h"
#include "napi/task.h"
#include "napi/tts_loss.h"
#include "napi/tts_settings.h"

namespace a2s::js {
namespace {

std::shared_ptr<Tts> tts_of(const Napi::Value& value) { return object_of<Tts>("tts", value); }

Context context_of(Workspace& w, const Tts& tts) {
  Context context = w.context();
  context.bf16 = tts.bf16();
  return context;
}

/** With teams of this process's threads. */
Patience patience;

PassContext pass_of(Workspace& w, const Tts& tts) { return {context_of(w, tts), w.arena, &w.cancelled}; }

/** What evaluate() can be asked for. */
struct Part {
  const char* name;
  Tensor Evaluation::*tensor;
  unsigned work;
};
constexpr Part kParts[] = {
    {"text", &Evaluation::text, 0},
    {"context", &Evaluation::context, 0},
    {"hidden", &Evaluation::hidden, 0},
    {"logits", &Evaluation::logits, want_logits},
    {"logprobs", &Evaluation::logprobs, want_scores},
    {"entropy", &Evaluation::entropy, want_scores},
};

std::vector<const Part*> to_parts(const Napi::Value& value) {
  if (!value.IsArray()) fail_type("tts: want", "an array of names", value);
  auto array = value.As<Napi::Array>();
  std::vector<const Part*> parts;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const std::string name = to_text("tts: want", array[i]);
    auto part = std::ranges::find_if(kParts, [&](const Part& p) { return name == p.name; });
    if (part == std::end(kParts))
      fail_config("tts: want: expected text, context, hidden, logits, logprobs or entropy, got \"" + name + "\"");
    parts.push_back(part);
  }
  return parts;
}

struct TrainResult {
  double loss;
  std::vector<std::pair<const char*, double>> stats;
  NamedTensors tensors;
};

Napi::Value deliver_trained(Napi::Env env, std::vector<TrainResult>& results) {
  Napi::Array all = Napi::Array::New(env);
  for (TrainResult& result : results) {
    Napi::Object object = make_tensor_values(env, result.tensors);
    object.Set("loss", result.loss);
    auto stats = Napi::Object::New(env);
    for (auto& [name, value] : result.stats) stats.Set(name, value);
    object.Set("stats", stats);
    all.Set(all.Length(), object);
  }
  return all;
}

struct TrainRequest {
  BatchRefs batch;
  LossRequest loss;
};

std::vector<TrainRequest> to_train_requests(const Napi::Value& value) {
  if (!value.IsArray()) fail_type("tts: passes", "an array", value);
  auto array = value.As<Napi::Array>();
  if (array.Length() == 0) fail_config("tts: passes: expected at least one, got none");
  std::vector<TrainRequest> requests;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Value each = array[i];
    if (!each.IsObject()) fail_type("tts: passes", "objects", each);
    const auto pass = each.As<Napi::Object>();
    requests.push_back({BatchRefs(pass.Get("batch")), LossRequest(pass.Get("loss"))});
  }
  return requests;
}

struct GenerateResult {
  NamedTensors tensors;
  Generated::Times times;
};

Napi::Value deliver_generated(Napi::Env env, GenerateResult& result) {
  Napi::Object object = make_tensor_values(env, result.tensors);
  auto times = Napi::Object::New(env);
  times.Set("encodeMs", result.times.encode_ms);
  times.Set("prefillMs", result.times.prefill_ms);
  times.Set("decodeMs", result.times.decode_ms);
  times.Set("sampleMs", result.times.sample_ms);
  times.Set("steps", static_cast<double>(result.times.steps));
  times.Set("rows", static_cast<double>(result.times.rows));
  object.Set("times", times);
  return object;
}

/** Ids 0, 1, 2, … where the caller gives none. */
Tensor counted(int64_t count, Arena& arena) {
  Tensor ids = new_tensor(arena, DType::i32, {count});
  for (int64_t i = 0; i < count; ++i) ids.as<int32_t>()[i] = static_cast<int32_t>(i);
  return ids;
}

}  // namespace

Napi::Value tts_new(const Napi::CallbackInfo& info) {
  const TtsConfig config = to_tts_config(info[0]);
  const DType dtype = to_float_dtype("tts: dtype", info[1]);
  const auto seed = to_seed("tts: seed", info[2]);
  const bool bf16 = to_flag("tts: bf16", info[3]);
  auto create = [=](Workspace&) { return std::make_shared<Tts>(config, dtype, seed, bf16); };
  return submit(info.Env(), info[4], create, make_model_value<Tts>);
}

Napi::Value tts_evaluate(const Napi::CallbackInfo& info) {
  ScoreSettings score;
  Settings s("tts: score", info[3]);
  read_score(s, score);
  std::optional<StepNoise> past;
  if (auto n = s.nested("past")) past = to_step_noise(*n);
  s.finish();
  const std::vector<const Part*> wanted = to_parts(info[2]);
  auto evaluate = [tts = tts_of(info[0]), batch = BatchRefs(info[1]), score, past, wanted](Workspace& w) {
    unsigned work = 0;
    for (const Part* part : wanted) work |= part->work;
    const Evaluation e = a2s::evaluate(pass_of(w, *tts), *tts, batch.view(), score, work, past ? &*past : nullptr);
    NamedTensors kept;
    for (const Part* part : wanted) kept.emplace_back(part->name, keep(e.*part->tensor));
    return kept;
  };
  return submit(info.Env(), info[4], evaluate,
                [](Napi::Env env, NamedTensors& tensors) -> Napi::Value { return make_tensor_values(env, tensors); });
}

Napi::Value tts_train(const Napi::CallbackInfo& info) {
  auto train = [tts = tts_of(info[0]), requests = to_train_requests(info[1])](Workspace& w) {
    std::vector<TrainResult> results(requests.size());
    side_by_side(context_of(w, *tts), w.arena, tts->params(), std::ssize(requests), [&](const Lane& lane, int64_t i) {
      const auto& [batch, loss] = requests[static_cast<size_t>(i)];
      Trained t = loss.train({lane.ctx, lane.arena, &w.cancelled, lane.turns}, *tts, batch.view());
      results[static_cast<size_t>(i)] = {t.loss, std::move(t.stats), {{"logprobs", keep(t.logprobs)}, {"margins", keep(t.margins)}}};
    });
    return results;
  };
  return submit(info.Env(), info[2], std::move(train), deliver_trained);
}

Napi::Value tts_generate(const Napi::CallbackInfo& info) {
  Settings s("tts: prompts", info[1]);
  PromptRefs prompts;
  prompts.read(s);
  s.finish();
  const int64_t id = to_integer("generate: progress", info[3], 0, int64_t{1} << 53, ErrorCode::Config);
  auto run = [tts = tts_of(info[0]), prompts, request = GenerateRequest(info[2]),
              progress = Progress(info.Env(), id)](Workspace& w) mutable {
    request.settings.cancel = &w.cancelled, request.settings.patience = &patience;
    request.settings.progress = [&](int64_t step, int64_t running) { progress.report(step, running); };
    const Prompts views = prompts.view();
    const int64_t P = views.text && views.text.rank > 0 ? views.text.dim(0) : 0;
    const Tensor ids = request.sample_ids ? request.sample_ids->view : counted(P * std::max<int64_t>(request.group, 0), w.arena);
    const Generated g = generate(context_of(w, *tts), w.arena, *tts, views, request.group, ids, request.settings);
    return GenerateResult{{{"codes", keep(g.codes)},
                           {"lengths", keep(g.lengths)},
                           {"truncated", keep(g.truncated)},
                           {"logprobs", keep(g.logprobs)},
                           {"entropy", keep(g.entropy)},
                           {"endTokens", keep(g.end_tokens)},
                           {"endLogprobs", keep(g.end_logprobs)}},
                          g.times};
  };
  return submit(info.Env(), info[4], std::move(run), deliver_generated);
}

}  // namespace a2s::js
