// Plain objects to the settings of the text-to-codes model. Keys are the C++ field names in camelCase.
#pragma once
#include "napi/settings.h"
#include "tts/generate.h"
#include "tts/passes.h"

namespace a2s::js {

/** A complete configuration; what it leaves out is the released model's. */
TtsConfig to_tts_config(const Napi::Value& value);

/** Tensors of a call, held until it has run. */
struct PromptRefs {
  TensorRef text, text_lengths, context_codes, context_lengths;
  void read(Settings& s);
  Prompts view() const;
};
struct BatchRefs {
  PromptRefs prompts;
  TensorRef codes, code_lengths, unconditional, end_tokens;
  int64_t group = 1;
  explicit BatchRefs(const Napi::Value& value);
  TtsBatch view() const;
};

void read_sampling(Settings& s, Sampling& sampling);
void read_score(Settings& s, ScoreSettings& score);
StepNoise to_step_noise(Settings& s);

/** `GenerateSettings` with the group and, where given, the sample ids. */
struct GenerateRequest {
  GenerateSettings settings;
  int64_t group = 1;
  TensorRef sample_ids;
  explicit GenerateRequest(const Napi::Value& value);
};

}  // namespace a2s::js
