// A call on a device beside the same call on the CPU: tensors are copied there and results back, so that whatever reads a
// call's results reads CPU memory.
#pragma once
#include "core/device.h"
#include "core/op.h"

namespace a2s::test {

class Mirror {
 public:
  Mirror(Device& device, const Op& op, Pool& pool);

  /** Copies inputs and attributes and prepares the call there; sets the shapes of the results here. */
  void prepare(Call& here);
  /** Runs it there. Results hold here what they hold there before and after, so what is not written shows. */
  void forward(Call& here);
  void backward(Call& here);

  /** The call there, prepared, to be run again. */
  Call& call() { return call_; }
  Device& device() { return device_; }

 private:
  void copy_in(Tensors& there, const Tensors& here);
  void copy_out(Tensors& here, const Tensors& there);

  Device& device_;
  Arena arena_, scratch_;
  Call call_;
};

}  // namespace a2s::test
