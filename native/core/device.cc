#include "core/device.h"

#include "core/error.h"

namespace a2s {
namespace {

const DeviceDriver* driver = nullptr;

void check_index(int index) {
  const Devices all = devices();
  if (index < 0 || index >= all.count)
    fail(ErrorCode::Device, "device: index: expected one of " + std::to_string(all.count) + " GPUs, got " +
                                std::to_string(index) + (all.count ? "" : "; hint: " + all.missing));
}

}  // namespace

DeviceDriver::DeviceDriver(Devices (*list)(), std::string (*name)(int), std::unique_ptr<Device> (*open)(int))
    : list(list), name(name), open(open) {
  driver = this;
}

Devices devices() { return driver ? driver->list() : Devices{0, "no CUDA in this build"}; }

std::string device_name(int index) {
  check_index(index);
  return driver->name(index);
}

std::unique_ptr<Device> open_device(int index) {
  check_index(index);
  return driver->open(index);
}

}  // namespace a2s
