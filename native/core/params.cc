#include "core/params.h"

namespace a2s {

Param& Params::add(std::string name, std::initializer_list<int64_t> shape, double init_std, double init_fill) {
  if (find(name)) fail_config("params: " + name + ": expected a new name, got one declared before");
  Param& p = list_.emplace_back();
  p.index = list_.size() - 1;
  p.name = std::move(name);
  p.value = make_tensor(nullptr, dtype_, shape);
  p.init_std = init_std;
  p.init_fill = init_fill;
  p.owner = this;
  return p;
}

Param& Params::add_split(const std::string& prefix, const std::string& suffix, int64_t parts,
                         std::initializer_list<int64_t> shape, double init_std, double init_fill) {
  Param& p = add(prefix + "." + suffix, shape, init_std, init_fill);
  p.value.dims[0] *= parts;
  p.parts = parts;
  return p;
}

std::vector<ParamEntry> Params::entries() {
  std::vector<ParamEntry> all;
  for (Param& p : list_) {
    if (!p.parts) all.push_back({p.name, p.value, p.grad, &p});
    for (int64_t i = 0, count = p.parts ? p.value.dims[0] / p.parts : 0; i < p.parts; ++i) {
      std::string name = p.name;
      name.insert(name.rfind('.'), '.' + std::to_string(i));
      all.push_back({std::move(name), rows_of(p.value, i * count, count), rows_of(p.grad, i * count, count), &p});
    }
  }
  return all;
}

Param* Params::find(std::string_view name) {
  for (Param& p : list_)
    if (p.name == name) return &p;
  return nullptr;
}

void Params::Buffer::allocate(size_t bytes) {
  p = arena.alloc(bytes);
  std::memset(p, 0, bytes);
}

void Params::allocate(std::optional<uint64_t> seed) {
  const int64_t align = 64 / static_cast<int64_t>(size_of(dtype_));
  flat_size_ = 0;
  for (Param& p : list_) {
    p.offset = flat_size_;
    flat_size_ += (p.value.size() + align - 1) / align * align;
  }
  values_.allocate(bytes());
  uint64_t index = 0;
  for (Param& p : list_) {
    p.grad = p.value;
    p.value.data = static_cast<char*>(values_.p) + p.offset * size_of(dtype_);
    if (seed) {
      const Rng rng{*seed, static_cast<uint32_t>(Stream::init)};
      for (int64_t i = 0; i < p.value.size(); ++i) {
        double v = p.init_fill + (p.init_std ? p.init_std * rng.normal(index, i) : 0);
        dtype_ == DType::f32 ? void(p.value.as<float>()[i] = static_cast<float>(v)) : void(p.value.as<double>()[i] = v);
      }
    }
    ++index;
  }
}

void Params::need_grads() {
  if (grads_.p) return;
  grads_.allocate(bytes());
  for (Param& p : list_) p.grad.data = static_cast<char*>(grads_.p) + p.offset * size_of(dtype_);
}

void Params::zero_grad() {
  need_grads();
  std::memset(grads_.p, 0, bytes());
}

void Params::allocate_moments() {
  for (Buffer& b : moments_)
    if (!b.p) b.allocate(bytes());
}

}  // namespace a2s
