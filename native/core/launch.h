// How CUDA twins start kernels. Included by *_cuda.cu files only.
#pragma once
#include <cuda_runtime.h>

#include <string>

#include "core/device.h"
#include "core/op.h"

namespace a2s {

/** Throws when a call of the CUDA runtime failed; `where` is an op or a device, `what` was asked for. */
inline void check_cuda(cudaError_t status, const std::string& where, const char* what) {
  if (status != cudaSuccess)
    fail(ErrorCode::Device, where + ": " + what + ": expected success, got " + cudaGetErrorString(status));
}

/** Starts kernel(args…) on so many blocks of so many threads, after what was started before. No blocks: nothing. */
template <class... Params, class... Args>
void launch(const Call& c, void (*kernel)(Params...), int64_t blocks, int threads, Args... args) {
  if (blocks == 0) return;
  auto stream = static_cast<cudaStream_t>(c.ctx.device->stream());
  kernel<<<static_cast<unsigned>(blocks), threads, 0, stream>>>(args...);
  check_cuda(cudaGetLastError(), c.op.name, "launch");
}

}  // namespace a2s
