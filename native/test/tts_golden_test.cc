// The text-to-codes model against PyTorch: folders made by tts/tts.golden.py, and those of ALIGN2SPEAK_GOLDEN.
#include "test/tts_fixture.h"

namespace a2s::test {
namespace {

struct Tolerance {
  double forward, gradient;
};

void compare(const TtsGolden& golden, const std::string& name, const Tensor& got, double tolerance) {
  auto it = golden.io.tensors.find("out." + name);
  if (it == golden.io.tensors.end()) throw Failure("golden: out." + name + " is missing");
  Arena arena;
  const Tensor want = tensor_of(it->second, DType::f64, arena);
  if (got.size() != want.size()) throw Failure(name + ": shape " + shape_string(got.shape()) + ", golden " + shape_string(want.shape()));
  // A loss may cancel to nothing: it is compared on the scale of its terms.
  const double error = want.size() == 1 ? std::fabs(element(got, 0) - element(want, 0)) : relative_error(got, want);
  if (!(error <= tolerance)) throw Failure(name + ": relative error " + std::to_string(error));
}

/** Every gradient that the golden has, and zero where it has none. */
void compare_gradients(const TtsGolden& golden, const std::string& loss, Params& params, double tolerance) {
  Arena arena;
  int compared = 0;
  for (const ParamEntry& e : params.entries()) {
    auto it = golden.grads.tensors.find("grad." + loss + "." + e.name);
    if (it == golden.grads.tensors.end()) {
      for (int64_t i = 0; i < e.grad.size(); ++i)
        if (std::fabs(element(e.grad, i)) > 1e-9) throw Failure("d " + loss + " / d " + e.name + ": expected zero");
      continue;
    }
    ++compared;
    const double error = relative_error(e.grad, tensor_of(it->second, DType::f64, arena));
    if (!(error <= tolerance)) throw Failure("d " + loss + " / d " + e.name + ": relative error " + std::to_string(error));
  }
  CHECK(compared > 0);
}

class Replay {
 public:
  Replay(const TtsGolden& golden, DType dtype) : golden_(golden), dtype_(dtype), tts_(config_of(golden.about), dtype, 0) {
    size_t used = 0;
    for (const ParamEntry& e : tts_.params().entries()) {
      auto it = golden.weights.tensors.find(e.name);
      if (it == golden.weights.tensors.end()) throw Failure("golden: weight " + e.name + " is missing");
      const Tensor value = tensor_of(it->second, dtype, inputs_);
      CHECK(value.size() == e.value.size());
      std::memcpy(e.value.data, value.data, value.bytes());
      ++used;
    }
    CHECK(used == golden.weights.tensors.size());
    batch_ = {.prompts = {ints("in.text"), ints("in.text_len"), ints("in.context_codes"), ints("in.context_len")},
              .codes = ints("in.codes"), .code_lengths = ints("in.codes_len"), .group = static_cast<int64_t>(golden.about.num("group", 1))};
    check_batch(tts_.config(), batch_);
  }

  void check(Tolerance tolerance) {
    if (golden_.about.find("generate")) check_generation();
    for (const char* loss : {"ce", "grpo", "local", "alignment"})
      if (golden_.io.tensors.count(std::string(loss) == "grpo" ? "out.pg" : std::string("out.") + loss)) check_loss(loss, tolerance);
  }

 private:
  Tensor ints(const char* name) { return tensor_of(golden_.io.tensors.at(name), DType::i32, inputs_); }

  DecodeOptions options(Tape& tape, const Encoded& prompts, const AudioRows& audio) {
    DecodeOptions o{.group = batch_.group};
    if (auto off = integers(golden_.about.find("unconditional")); !off.empty()) {
      o.unconditional = new_tensor(inputs_, DType::i32, {static_cast<int64_t>(off.size())});
      for (size_t i = 0; i < off.size(); ++i) o.unconditional.as<int32_t>()[i] = static_cast<int32_t>(off[i]);
    }
    if (const Json* p = golden_.about.find("prior"); p && p->is(Json::Type::object)) {
      prior_ = tts_.training_prior(tape, prompts, audio, batch_.group,
                                   {p->num("scaling", 0.5), p->num("blend", 0), p->num("eps", 0), p->find("strict")->truthy()});
      o.text_prior = &prior_;
    }
    return o;
  }

  void check_loss(const std::string& loss, Tolerance tolerance) {
    Arena arena;
    Tape tape(test_context(), arena);
    tts_.params().zero_grad();
    const Encoded prompts = tts_.encode(tape, prompt_rows(tts_.config(), batch_.prompts, arena));
    const AudioRows audio = audio_rows(tts_.config(), batch_.codes, batch_.code_lengths, arena);
    const Decoded d = tts_.decode(tape, prompts, audio, options(tape, prompts, audio));
    const TokenScores scores = score_tokens(tape, tts_, audio, d, Sampling::plain());
    Var* root = nullptr;
    if (loss == "ce") {
      compare(golden_, "encoder", prompts.text->value, tolerance.forward);
      compare(golden_, "decoder", d.hidden->value, tolerance.forward);
      compare(golden_, "logprobs", scores.logprobs->value, tolerance.forward);
      compare_padded(prompts, d, audio, tape, tolerance.forward);
      root = cross_entropy(tape, audio, scores);
    } else if (loss == "grpo") {
      const Tensor advantages = tensor_of(golden_.io.tensors.at("in.advantages"), dtype_, arena);
      root = policy(tape, tts_, audio, scores, {.advantages = advantages}, {}).first;
    } else if (loss == "local") {
      const TokenScores local = score_tokens_locally(tape, tts_, audio, d, Sampling::plain());
      compare(golden_, "local_logprobs", local.logprobs->value, tolerance.forward);
      root = cross_entropy(tape, audio, local);
    } else {
      root = alignment_loss(tape, tts_, d, {.layers = integers(golden_.about.find("alignment_layers"))});
    }
    compare(golden_, loss == "grpo" ? "pg" : loss, root->value, tolerance.forward);
    tape.backward(root);
    compare_gradients(golden_, loss, tts_.params(), tolerance.gradient);
  }

  /** Greedy codes, every step computed from the beginning where there is a prior. */
  void check_generation() {
    const Json& g = *golden_.about.find("generate");
    GenerateSettings s;
    s.sampling = {.temperature = 0, .guidance = g.num("guidance", 1), .min_frames = static_cast<int64_t>(g.num("min_frames", 0))};
    s.max_frames = static_cast<int64_t>(g.num("max_frames", 0));
    s.local = g.find("local")->truthy();
    if (const Json* p = g.find("prior"); p->is(Json::Type::object)) {
      auto whole = [&](const char* key) { return static_cast<int64_t>(p->num(key, 0)); };
      s.prior = GenerationPrior{{.epsilon = p->num("epsilon", 0), .look_ahead = whole("look_ahead"), .start_after = whole("start_after"),
                                 .sink = whole("sink"), .stuck = whole("stuck")},
                                integers(p->find("estimate_layers")), integers(p->find("apply_layers")), true};
    }
    const Prompts prompts{ints("in.generate_text"), ints("in.generate_text_len"), ints("in.generate_context_codes"), ints("in.generate_context_len")};
    const int64_t P = prompts.text.dim(0);
    Arena arena;
    const Generated out = generate(test_context(), arena, tts_, prompts, 1, constant_ints(P, 0, arena), s);
    const Tensor codes = ints("out.generated"), lengths = ints("out.generated_len");
    CHECK(out.codes.size() == codes.size());
    for (int64_t i = 0; i < P; ++i) CHECK(out.lengths.as<int32_t>()[i] == lengths.as<int32_t>()[i]);
    for (int64_t i = 0; i < codes.size(); ++i) CHECK(out.codes.as<int32_t>()[i] == codes.as<int32_t>()[i]);
  }

  /** Tensors whose padding the golden zeroes. */
  void compare_padded(const Encoded& prompts, const Decoded& d, const AudioRows& audio, Tape& tape, double tolerance) {
    auto masked = [&](Tensor t, const Tensor& lengths) {
      const int64_t T = t.dim(1), row = static_cast<int64_t>(t.bytes()) / t.dim(0) / T;
      for (int64_t b = 0; b < t.dim(0); ++b) {
        const int64_t n = lengths.as<int32_t>()[b];
        std::memset(static_cast<char*>(t.data) + (b * T + n) * row, 0, static_cast<size_t>((T - n) * row));
      }
      return t;
    };
    compare(golden_, "logits", masked(tts_.logits(tape, d.hidden)->value, audio.lengths), tolerance);
    if (golden_.io.tensors.count("out.unconditional"))
      compare(golden_, "unconditional", decode_unconditional(tape, tts_, prompts, audio, {.group = batch_.group}).hidden->value, tolerance);
    if (tts_.config().has_context_encoder()) compare(golden_, "context", prompts.context->value, tolerance);
  }

  const TtsGolden& golden_;
  DType dtype_;
  Arena inputs_;
  Tts tts_;
  TtsBatch batch_;
  AttentionPrior prior_;
};

void replay(const std::string& folder) {
  const TtsGolden golden(folder);
  // The goldens are stored in f32, so f64 agrees with them to about 1e-7 of the largest value.
  Replay(golden, DType::f64).check({2e-6, 2e-6});
  Replay(golden, DType::f32).check({1e-5, 1e-4});
}

std::string own(const char* variant) { return std::string(A2S_SOURCE_DIR) + "/tts/golden-" + variant; }

}  // namespace

TEST(tts_equals_pytorch_koel) { replay(own("koel")); }
TEST(tts_equals_pytorch_multi_encoder) { replay(own("multi")); }
TEST(tts_equals_pytorch_stacked_with_local_transformer) { replay(own("stacked")); }
TEST(tts_equals_pytorch_with_prior_and_alignment) { replay(own("prior")); }

TEST(tts_equals_published_golden) {
  const char* set = std::getenv("ALIGN2SPEAK_GOLDEN");
  const std::string folder = (set ? std::string(set) : std::string(A2S_SOURCE_DIR) + "/../../shared/golden") + "/magpie";
  if (!std::filesystem::exists(folder + "/README.json")) throw Skip("no golden tensors at " + folder);
  replay(folder);
}

}  // namespace a2s::test
