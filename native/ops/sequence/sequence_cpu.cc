#include <algorithm>

#include "ops/sequence/lengths.h"
#include "ops/sequence/sequence.h"

namespace a2s {
namespace {

constexpr int64_t kGrain = 1 << 15;  // elements a task

/** A run of rows of item b: `count` rows from row `first` on. */
struct Run {
  int64_t first, count;
};

/** Assigns each item of `to` [B, rows, C]: run(b) of `from`, placed at row at(b), and zeros around it. */
template <class T, class From, class At>
void copy_runs(Call& c, const Tensor& from, From run, const Tensor& to, At at) {
  const int64_t B = to.dim(0), rows = to.dim(1), C = to.dim(2), stride = from.dim(1);
  const T* x = from.as<T>();
  T* y = to.as<T>();
  c.ctx.pool.ranges(B * rows, kGrain / std::max<int64_t>(1, C), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const int64_t b = r / rows, offset = r % rows - at(b);
      const Run source = run(b);
      if (offset >= 0 && offset < source.count) std::copy_n(x + (b * stride + source.first + offset) * C, C, y + r * C);
      else std::fill_n(y + r * C, C, T(0));
    }
  });
}

template <class T>
void concat(Call& c) {
  const int64_t B = c.in[0].dim(0), Ta = c.in[0].dim(1), Tb = c.in[2].dim(1), C = c.in[0].dim(2), rows = Ta + Tb;
  const T *a = c.in[0].as<T>(), *b = c.in[2].as<T>();
  T* y = c.out[0].as<T>();
  c.ctx.pool.ranges(B, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, rows * C)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t na = c.in[1].as<int32_t>()[i], nb = c.in[3].as<int32_t>()[i];
      T* to = std::copy_n(a + i * Ta * C, na * C, y + i * rows * C);
      to = std::copy_n(b + i * Tb * C, nb * C, to);
      std::fill(to, y + (i + 1) * rows * C, T(0));
    }
  });
}

template <class T>
void concat_grad(Call& c) {
  const int32_t *na = c.in[1].as<int32_t>(), *nb = c.in[3].as<int32_t>();
  auto start = [](int64_t) { return int64_t{0}; };
  if (c.din[0]) copy_runs<T>(c, c.dout[0], [&](int64_t b) { return Run{0, na[b]}; }, c.din[0], start);
  if (c.din[2]) copy_runs<T>(c, c.dout[0], [&](int64_t b) { return Run{na[b], nb[b]}; }, c.din[2], start);
}

template <class T>
void slice(Call& c) {
  const int32_t *first = c.in[1].as<int32_t>(), *n = c.in[2].as<int32_t>();
  copy_runs<T>(c, c.in[0], [&](int64_t b) { return Run{first[b], n[b]}; }, c.out[0], [](int64_t) { return int64_t{0}; });
}

template <class T>
void slice_grad(Call& c) {
  if (!c.din[0]) return;
  const int32_t *first = c.in[1].as<int32_t>(), *n = c.in[2].as<int32_t>();
  copy_runs<T>(c, c.dout[0], [&](int64_t b) { return Run{0, n[b]}; }, c.din[0], [&](int64_t b) { return first[b]; });
}

}  // namespace

void concat_time_axes(Axes& axes, const Call&) { axes.bind("T", axes["Ta"] + axes["Tb"], "a and b"); }
void concat_time_check(const Call& c) {
  check_ints(c, 1, 0, c.in[0].dim(1));
  check_ints(c, 3, 0, c.in[2].dim(1));
}
void concat_time_forward(Call& c) { A2S_BY_DTYPE(c, concat); }
void concat_time_backward(Call& c) { A2S_BY_DTYPE(c, concat_grad); }

void slice_time_axes(Axes& axes, const Call& c) { axes.bind("To", c.integer("frames"), "frames"); }
void slice_time_check(const Call& c) {
  const int64_t rows = c.in[0].dim(1);
  check_ints(c, 1, 0, rows);
  check_ints(c, 2, 0, c.integer("frames"));
  for (int64_t b = 0; b < c.in[1].size(); ++b) {
    const int64_t end = int64_t{c.in[1].as<int32_t>()[b]} + c.in[2].as<int32_t>()[b];
    if (end > rows)
      fail_shape("slice_time: start[" + std::to_string(b) + "] + lengths[" + std::to_string(b) + "]: expected at most T=" +
                 std::to_string(rows) + ", got " + std::to_string(end));
  }
}
void slice_time_forward(Call& c) { A2S_BY_DTYPE(c, slice); }
void slice_time_backward(Call& c) { A2S_BY_DTYPE(c, slice_grad); }

}  // namespace a2s
