// What the addon exports. Its only caller is src/, which gives these functions types, names and documentation.
#include "napi/codec.h"
#include "napi/codec_train.h"
#include "napi/judge.h"
#include "napi/ops.h"
#include "napi/optimizer.h"
#include "napi/params.h"
#include "napi/system.h"
#include "napi/task.h"
#include "napi/tensor.h"
#include "napi/tts.h"

namespace a2s::js {
namespace {

template <Napi::Value (*F)(const Napi::CallbackInfo&)>
void add(Napi::Object& exports, const char* name) {
  exports.Set(name, Napi::Function::New<guarded<F>>(exports.Env(), name));
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  Instance::create(env);
  add<info>(exports, "info");
  add<set_threads>(exports, "setThreads");
  add<set_error_factory>(exports, "setErrorFactory");
  add<set_progress_listener>(exports, "setProgressListener");
  add<cancel_token>(exports, "cancelToken");
  add<cancel>(exports, "cancel");

  add<tensor_new>(exports, "tensorNew");
  add<tensor_write>(exports, "tensorWrite");
  add<tensor_read>(exports, "tensorRead");
  add<dispose<OwnedTensor>>(exports, "tensorDispose");

  add<run_op>(exports, "runOp");
  add<op_gradients>(exports, "opGradients");
  add<op_table>(exports, "opTable");

  add<tts_new>(exports, "ttsNew");
  add<tts_evaluate>(exports, "ttsEvaluate");
  add<tts_train>(exports, "ttsTrain");
  add<tts_generate>(exports, "ttsGenerate");
  add<dispose<Tts>>(exports, "ttsDispose");

  add<codec_new>(exports, "codecNew");
  add<codec_buffers>(exports, "codecBuffers");
  add<codec_encode>(exports, "codecEncode");
  add<codec_decode>(exports, "codecDecode");
  add<dispose<Codec>>(exports, "codecDispose");
  add<codec_evaluate>(exports, "codecEvaluate");
  add<codec_train>(exports, "codecTrain");
  add<discriminators_new>(exports, "discriminatorsNew");
  add<discriminators_train>(exports, "discriminatorsTrain");
  add<dispose<Discriminators>>(exports, "discriminatorsDispose");
  add<codec_stream_new>(exports, "codecStreamNew");
  add<codec_stream_decode>(exports, "codecStreamDecode");
  add<codec_stream_restart>(exports, "codecStreamRestart");
  add<dispose<StreamHolder>>(exports, "codecStreamDispose");

  add<judge_new>(exports, "judgeNew");
  add<judge_evaluate>(exports, "judgeEvaluate");
  add<judge_train>(exports, "judgeTrain");
  add<dispose<Judge>>(exports, "judgeDispose");

  add<params_list>(exports, "paramsList");
  add<params_read>(exports, "paramsRead");
  add<params_write>(exports, "paramsWrite");
  add<params_zero_grad>(exports, "paramsZeroGrad");
  add<dispose<Params>>(exports, "paramsDispose");

  add<optimizer_new>(exports, "optimizerNew");
  add<optimizer_step>(exports, "optimizerStep");
  add<optimizer_steps>(exports, "optimizerSteps");
  add<optimizer_restore>(exports, "optimizerRestore");
  return exports;
}

}  // namespace

NODE_API_MODULE(align2speak_native, init)

}  // namespace a2s::js
