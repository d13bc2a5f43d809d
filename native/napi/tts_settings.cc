#include "napi/tts_settings.h"

namespace a2s::js {

TtsConfig to_tts_config(const Napi::Value& value) {
  TtsConfig c;
  Settings s("tts: config", value);
  s.read("modelType", c.model_type, {"decoder_ce", "decoder_context", "multi_encoder"});
  s.read("dModel", c.d_model);
  s.read("dFfn", c.d_ffn);
  s.read("heads", c.heads);
  s.read("encoderLayers", c.encoder_layers);
  s.read("contextLayers", c.context_layers);
  s.read("decoderLayers", c.decoder_layers);
  s.read("encoderKernel", c.encoder_kernel);
  s.read("contextKernel", c.context_kernel);
  s.read("decoderKernel", c.decoder_kernel);
  s.read("encoderCausal", c.encoder_causal);
  s.read("crossHeads", c.cross_heads);
  s.read("crossHeadDim", c.cross_head_dim);
  s.read("applyNormToCond", c.apply_norm_to_cond);
  s.read("transcriptDecoderLayers", c.transcript_decoder_layers);
  s.read("contextDecoderLayers", c.context_decoder_layers);
  s.read("codebooks", c.codebooks);
  s.read("vocab", c.vocab);
  s.read("frameStacking", c.frame_stacking);
  s.read("bos", c.bos);
  s.read("eos", c.eos);
  s.read("contextBos", c.context_bos);
  s.read("contextEos", c.context_eos);
  s.read("mask", c.mask);
  s.read("textRows", c.text_rows);
  s.read("maxPositions", c.max_positions);
  s.read("maskConvention", c.mask_convention, {"outer", "query", "strict"});
  if (s.take("localTransformer").IsNull()) c.local_transformer.reset();
  if (auto l = s.nested("localTransformer")) {
    l->read("layers", c.local_transformer->layers);
    l->read("heads", c.local_transformer->heads);
    l->read("dModel", c.local_transformer->d_model);
    l->read("dFfn", c.local_transformer->d_ffn);
    l->read("maxPositions", c.local_transformer->max_positions);
    l->finish();
  }
  s.read("dropout", c.dropout);
  s.read("cfgDropout", c.cfg_dropout);
  s.finish();
  return c;
}

void PromptRefs::read(Settings& s) {
  s.read("text", text);
  s.read("textLengths", text_lengths);
  s.read("contextCodes", context_codes);
  s.read("contextLengths", context_lengths);
}

Prompts PromptRefs::view() const {
  return {view_of(text), view_of(text_lengths), view_of(context_codes), view_of(context_lengths)};
}

BatchRefs::BatchRefs(const Napi::Value& value) {
  Settings s("tts: batch", value);
  prompts.read(s);
  s.read("codes", codes);
  s.read("codeLengths", code_lengths);
  s.read("group", group);
  s.read("unconditional", unconditional);
  s.read("endTokens", end_tokens);
  s.finish();
}

TtsBatch BatchRefs::view() const {
  return {prompts.view(), view_of(codes), view_of(code_lengths), group, view_of(unconditional), view_of(end_tokens)};
}

void read_sampling(Settings& s, Sampling& sampling) {
  s.read("temperature", sampling.temperature);
  s.read("topK", sampling.top_k);
  s.read("topP", sampling.top_p);
  s.read("guidance", sampling.guidance);
  s.read("specialIds", sampling.special_ids);
  s.read("forbidden", sampling.forbidden);
  s.read("minFrames", sampling.min_frames);
  s.finish();
}

StepNoise to_step_noise(Settings& s) {
  StepNoise noise;
  s.read("seed", noise.seed);
  s.read("step", noise.step);
  s.read("history", noise.history);
  s.read("ownHistory", noise.own_history);
  s.finish();
  return noise;
}

void read_score(Settings& s, ScoreSettings& score) {
  s.read("heads", score.heads, {"parallel", "local"});
  if (auto sampling = s.nested("sampling")) read_sampling(*sampling, score.sampling = {});
}

namespace {

GenerationPrior to_prior(Settings& s) {
  GenerationPrior p;
  s.read("epsilon", p.epsilon);
  s.read("lookAhead", p.look_ahead);
  s.read("startAfter", p.start_after);
  s.read("sink", p.sink);
  s.read("stuck", p.stuck);
  s.read("trackEnding", p.track_ending);
  s.read("release", p.release);
  s.read("force", p.force);
  s.read("estimateLayers", p.estimate_layers);
  s.read("applyLayers", p.apply_layers);
  s.read("exact", p.exact);
  s.finish();
  return p;
}

}  // namespace

GenerateRequest::GenerateRequest(const Napi::Value& value) {
  Settings s("generate", value);
  s.read("group", group);
  s.read("sampleIds", sample_ids);
  s.read("maxFrames", settings.max_frames);
  s.read("seed", settings.seed);
  Heads heads = Heads::parallel;
  s.read("heads", heads, {"parallel", "local"});
  settings.local = heads == Heads::local;
  if (auto sampling = s.nested("sampling")) read_sampling(*sampling, settings.sampling);
  if (auto end = s.nested("end")) {
    end->read("where", settings.end.where, {"any", "all", "first"});
    end->read("sampled", settings.end.sampled);
    end->finish();
  }
  if (auto prior = s.nested("prior")) settings.prior = to_prior(*prior);
  s.finish();
}

}  // namespace a2s::js
