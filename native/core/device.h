// GPUs. What implements them registers itself (device_cuda.cu), so everything else is the same with and without CUDA: a
// build without it, a machine without a driver and one without a GPU have no devices, and nothing fails before one is opened.
#pragma once
#include <memory>
#include <string>

#include "core/arena.h"

namespace a2s {

/** A GPU and one stream on it, in whose order copies and kernels run. Arenas take its memory in blocks; the CPU cannot
 *  read it. What fails is an Error(Device). */
class Device : public MemorySource {
 public:
  virtual ~Device() = default;
  /** Copies to the device, and from it. They return when the bytes are there. */
  virtual void write(void* device_data, const void* data, size_t bytes) = 0;
  virtual void read(void* data, const void* device_data, size_t bytes) = 0;
  /** Clears device memory, in the stream's order. */
  virtual void zero(void* device_data, size_t bytes) = 0;
  /** Waits until everything in the stream has run. */
  virtual void synchronize() = 0;
  /** The cudaStream_t that a kernel is to be launched in; makes this device the calling thread's. */
  virtual void* stream() = 0;
};

/** What GPUs there are. */
struct Devices {
  int count = 0;
  std::string missing;  // why there are none
};
Devices devices();
/** What the maker calls a device; index in [0, count). */
std::string device_name(int index);
std::unique_ptr<Device> open_device(int index = 0);

/** What stands behind these functions. A static one registers itself. */
struct DeviceDriver {
  Devices (*list)();
  std::string (*name)(int index);
  std::unique_ptr<Device> (*open)(int index);
  DeviceDriver(Devices (*list)(), std::string (*name)(int), std::unique_ptr<Device> (*open)(int));
};

}  // namespace a2s
