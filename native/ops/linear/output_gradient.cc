#include "ops/linear/output_gradient.h"

#include <algorithm>

#include "core/math.h"
#include "core/simd.h"
#include "ops/linear/linear.h"

namespace a2s {
namespace {

constexpr int64_t kRows = 32;  // rows a task; each task has its own partial bias gradient

template <class T>
A2S_INLINE void rows_gradient(const T* dy, const T* pre, T* d, T* db, int64_t rows, int64_t O) {
  for (int64_t r = 0; r < rows; ++r, dy += O) {
    const T* g = dy;
    if (pre) {
      for (int64_t o = 0; o < O; ++o) d[o] = dy[o] * math::gelu_grad(pre[o]);
      g = d, d += O, pre += O;
    }
    if (db)
      for (int64_t o = 0; o < O; ++o) db[o] += g[o];
  }
}
A2S_CLONES void run_rows(const float* dy, const float* pre, float* d, float* db, int64_t rows, int64_t O) {
  rows_gradient(dy, pre, d, db, rows, O);
}
void run_rows(const double* dy, const double* pre, double* d, double* db, int64_t rows, int64_t O) {
  rows_gradient(dy, pre, d, db, rows, O);
}

}  // namespace

template <class T>
const T* output_gradient(Call& c) {
  const bool gelu = c.integer("act") == static_cast<int>(Activation::gelu);
  const T *dy = c.dout[0].as<T>(), *pre = gelu ? c.saved[0].as<T>() : nullptr;
  T* db = c.din[2] ? c.din[2].as<T>() : nullptr;
  if (!gelu && !db) return dy;
  const int64_t O = c.out[0].dim(-1), rows = c.out[0].rows(), tasks = (rows + kRows - 1) / kRows;
  T* d = gelu ? c.scratch<T>(rows * O) : nullptr;
  T* partial = db ? c.scratch<T>(tasks * O) : nullptr;
  c.ctx.pool.ranges(rows, kRows, [&](int64_t b, int64_t e) {
    T* p = partial ? partial + b / kRows * O : nullptr;
    if (p) std::fill_n(p, O, T(0));
    run_rows(dy + b * O, gelu ? pre + b * O : nullptr, gelu ? d + b * O : nullptr, p, e - b, O);
  });
  for (int64_t t = 0; db && t < tasks; ++t)
    for (int64_t o = 0; o < O; ++o) db[o] += partial[t * O + o];
  return gelu ? d : dy;
}

template const float* output_gradient<float>(Call&);
template const double* output_gradient<double>(Call&);

}  // namespace a2s
