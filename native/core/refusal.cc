#include "core/refusal.h"

#include "core/device.h"

namespace a2s {
namespace {

/** Runs the call again on copies of its inputs, on the CPU. */
[[noreturn]] void fail_as_on_cpu(const Call& c) {
  Arena arena, scratch;
  Call copy(c.op, {c.ctx.pool, scratch});
  copy.attrs = c.attrs;
  for (size_t i = 0; i < c.op.inputs.size(); ++i) {
    if (!c.in[i]) continue;
    copy.in[i] = new_tensor(arena, c.in[i].dtype, c.in[i].shape());
    c.ctx.device->read(copy.in[i].data, c.in[i].data, c.in[i].bytes());
  }
  apply(copy, arena);
  fail(ErrorCode::Device, std::string(c.op.name) + ": values: expected the CUDA twin to accept what the CPU accepts, got a refusal");
}

}  // namespace

Refusal::Refusal(const Call& c) : call_(c), word_(c.scratch<int32_t>(1)) { c.ctx.device->zero(word_, sizeof *word_); }

void Refusal::settle() const {
  int32_t raised = 0;
  call_.ctx.device->read(&raised, word_, sizeof raised);
  if (raised) fail_as_on_cpu(call_);
}

}  // namespace a2s
