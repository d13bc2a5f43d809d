#include "test/mirror.h"

namespace a2s::test {

Mirror::Mirror(Device& device, const Op& op, Pool& pool)
    : device_(device), arena_(device), scratch_(device), call_(op, {pool, scratch_, &device}) {
  // Scratch that nobody wrote reads as NaN.
  const std::vector<char> nan(size_t{1} << 22, char(0xff));
  ScratchScope scope(scratch_);
  device_.write(scratch_.alloc(nan.size()), nan.data(), nan.size());
}

void Mirror::copy_in(Tensors& there, const Tensors& here) {
  for (size_t i = 0; i < here.size(); ++i) {
    if (!here[i]) continue;
    there[i] = new_tensor(arena_, here[i].dtype, here[i].shape());
    device_.write(there[i].data, here[i].data, here[i].bytes());
  }
}

void Mirror::copy_out(Tensors& here, const Tensors& there) {
  for (size_t i = 0; i < here.size(); ++i)
    if (here[i]) device_.read(here[i].data, there[i].data, here[i].bytes());
}

void Mirror::prepare(Call& here) {
  call_.attrs = here.attrs;
  copy_in(call_.in, here.in);
  a2s::prepare(call_);
  here.out = call_.out, here.saved = call_.saved;
}

void Mirror::forward(Call& here) {
  copy_in(call_.out, here.out);
  copy_in(call_.saved, here.saved);
  run_forward(call_);
  copy_out(here.out, call_.out);
  copy_out(here.saved, call_.saved);
}

void Mirror::backward(Call& here) {
  copy_in(call_.dout, here.dout);
  copy_in(call_.din, here.din);
  call_.adds = here.adds;
  run_backward(call_);
  copy_out(here.din, call_.din);
}

}  // namespace a2s::test
