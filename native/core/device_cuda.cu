// GPUs through the CUDA runtime. It is linked statically and looks for the driver when first asked, so programs that
// contain this start on machines without one.
#include "core/device.h"

#include "core/launch.h"

namespace a2s {
namespace {

class CudaDevice final : public Device {
 public:
  explicit CudaDevice(int index) : index_(index), where_("device " + std::to_string(index)) {
    use();
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "stream");
  }
  ~CudaDevice() override { cudaStreamDestroy(stream_); }

  void* alloc(size_t bytes) override {
    use();
    void* data = nullptr;
    const cudaError_t status = cudaMalloc(&data, bytes);
    if (status == cudaErrorMemoryAllocation) {
      cudaGetLastError();  // this one is the arena's to report, not the next launch's
      return nullptr;
    }
    check(status, "memory");
    return data;
  }
  void free(void* data, size_t) override { cudaFree(data); }

  void write(void* device_data, const void* data, size_t bytes) override {
    copy(device_data, data, bytes, cudaMemcpyHostToDevice);
  }
  void read(void* data, const void* device_data, size_t bytes) override {
    copy(data, device_data, bytes, cudaMemcpyDeviceToHost);
  }
  void zero(void* device_data, size_t bytes) override {
    use();
    check(cudaMemsetAsync(device_data, 0, bytes, stream_), "fill");
  }
  void synchronize() override { check(cudaStreamSynchronize(stream_), "work"); }
  void* stream() override {
    use();
    return stream_;
  }

 private:
  void use() { check(cudaSetDevice(index_), "use"); }
  void check(cudaError_t status, const char* what) { check_cuda(status, where_, what); }
  void copy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
    use();
    check(cudaMemcpyAsync(to, from, bytes, kind, stream_), "copy");
    synchronize();
  }

  int index_;
  std::string where_;
  cudaStream_t stream_ = nullptr;
};

Devices list() {
  Devices found;
  const cudaError_t status = cudaGetDeviceCount(&found.count);
  if (status == cudaSuccess) return found;
  cudaGetLastError();
  int version = 0;  // stays 0 where there is no driver
  cudaDriverGetVersion(&version);
  return {0, version ? std::string("no GPU: ") + cudaGetErrorString(status) : "no CUDA driver on this machine"};
}

std::string name(int index) {
  cudaDeviceProp properties;
  check_cuda(cudaGetDeviceProperties(&properties, index), "device " + std::to_string(index), "name");
  return properties.name;
}

const DeviceDriver driver{list, name, [](int index) -> std::unique_ptr<Device> { return std::make_unique<CudaDevice>(index); }};

}  // namespace
}  // namespace a2s
