#include <algorithm>

#include "core/add.h"
#include "ops/embedding/embedding.h"
#include "ops/sequence/lengths.h"

namespace a2s {
namespace {

constexpr int64_t kGrain = 1 << 14;  // elements a task
constexpr int64_t kColumns = 128;    // columns of a gradient that one task adds up, in the order of the ids

template <class T>
void lookup(Call& c) {
  const int64_t C = c.in[1].dim(1);
  const int32_t* ids = c.in[0].as<int32_t>();
  const T* table = c.in[1].as<T>();
  T* y = c.out[0].as<T>();
  c.ctx.pool.ranges(c.in[0].size(), kGrain / std::max<int64_t>(1, C), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      if (ids[i] < 0) std::fill_n(y + i * C, C, T(0));
      else std::copy_n(table + ids[i] * C, C, y + i * C);
  });
}

template <class T>
void lookup_grad(Call& c) {
  if (!c.din[1]) return;
  const int64_t C = c.in[1].dim(1), n = c.in[0].size();
  const int32_t* ids = c.in[0].as<int32_t>();
  const T* dy = c.dout[0].as<T>();
  T* d = c.din[1].as<T>();
  c.ctx.pool.ranges(C, kColumns, [&](int64_t begin, int64_t end) {
    for (int64_t i = 0; i < n; ++i)
      if (ids[i] >= 0)
        add_range(d + ids[i] * C + begin, dy + i * C + begin, d + ids[i] * C + begin, end - begin);
  });
}

/** Codes of a stack and the tables that they index; slot s = k + i K is codebook k of the stack's frame i. */
struct Stacks {
  int64_t B, K, Ts, stack, T, C, V;
  const int32_t* codes;
  explicit Stacks(const Call& c)
      : B(c.in[0].dim(0)), K(c.in[0].dim(1)), Ts(c.in[0].dim(2)), stack(c.integer("stack")), T(Ts / stack), C(c.in[1].dim(1)),
        V(c.in[1].dim(0) / (K * stack)), codes(c.in[0].as<int32_t>()) {}
  int64_t slots() const { return K * stack; }
  /** Table row of slot s of output row r = b T + t. */
  int64_t row(int64_t r, int64_t s) const { return s * V + codes[(r / T * K + s % K) * Ts + r % T * stack + s / K]; }
};

template <class T>
void mean_rows(Call& c) {
  const Stacks n(c);
  const T *table = c.in[1].as<T>(), share = T(1) / static_cast<T>(n.slots());
  T* out = c.out[0].as<T>();
  c.ctx.pool.ranges(n.B * n.T, kGrain / std::max<int64_t>(1, n.C * n.slots()), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      T* y = out + r * n.C;
      std::fill_n(y, n.C, T(0));
      for (int64_t s = 0; s < n.slots(); ++s) {
        const T* x = table + n.row(r, s) * n.C;
        add_range(y, x, y, n.C);
      }
      for (int64_t k = 0; k < n.C; ++k) y[k] *= share;
    }
  });
}

/** The tables of two slots are different memory, so a task is one slot. */
template <class T>
void mean_rows_grad(Call& c) {
  if (!c.din[1]) return;
  const Stacks n(c);
  const T *dy = c.dout[0].as<T>(), share = T(1) / static_cast<T>(n.slots());
  T* d = c.din[1].as<T>();
  c.ctx.pool.run(n.slots(), [&](int64_t s) {
    for (int64_t r = 0; r < n.B * n.T; ++r) {
      T* to = d + n.row(r, s) * n.C;
      for (int64_t k = 0; k < n.C; ++k) to[k] += dy[r * n.C + k] * share;
    }
  });
}

template <class T>
void positions(Call& c) {
  const int64_t B = c.in[0].dim(0), rows = c.in[0].dim(1), C = c.in[0].dim(2);
  const T *x = c.in[0].as<T>(), *table = c.in[1].as<T>() + c.integer("offset") * C;
  T* y = c.out[0].as<T>();
  c.ctx.pool.ranges(B * rows, kGrain / std::max<int64_t>(1, C), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) add_range(x + r * C, table + r % rows * C, y + r * C, C);
  });
}

template <class T>
void positions_grad(Call& c) {
  const int64_t B = c.in[0].dim(0), rows = c.in[0].dim(1), C = c.in[0].dim(2);
  const T* dy = c.dout[0].as<T>();
  T* dx = c.din[0] ? c.din[0].as<T>() : nullptr;
  T* d = c.din[1] ? c.din[1].as<T>() + c.integer("offset") * C : nullptr;
  c.ctx.pool.ranges(rows, kGrain / std::max<int64_t>(1, B * C), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t)
      for (int64_t b = 0; b < B; ++b) {
        const T* g = dy + (b * rows + t) * C;
        if (dx) std::copy_n(g, C, dx + (b * rows + t) * C);
        if (d) add_range(d + t * C, g, d + t * C, C);
      }
  });
}

}  // namespace

void embedding_check(const Call& c) { check_ints(c, 0, INT32_MIN, c.in[1].dim(0) - 1); }
void embedding_forward(Call& c) { A2S_BY_DTYPE(c, lookup); }
void embedding_backward(Call& c) { A2S_BY_DTYPE(c, lookup_grad); }

void codebook_embedding_axes(Axes& axes, const Call& c) {
  const int64_t Ts = axes["Ts"], stack = c.integer("stack"), slots = axes["K"] * stack;
  if (Ts % stack)
    fail_shape("codebook_embedding: codes: axis Ts: expected a multiple of stack=" + std::to_string(stack) + ", got " + std::to_string(Ts));
  if (slots == 0 || axes["R"] % slots)
    fail_shape("codebook_embedding: table: axis R: expected a multiple of K*stack=" + std::to_string(slots) + ", got " +
               std::to_string(axes["R"]));
  axes.bind("T", Ts / stack, "codes");
}
void codebook_embedding_check(const Call& c) { check_ints(c, 0, 0, c.in[1].dim(0) / (c.in[0].dim(1) * c.integer("stack")) - 1); }
void codebook_embedding_forward(Call& c) { A2S_BY_DTYPE(c, mean_rows); }
void codebook_embedding_backward(Call& c) { A2S_BY_DTYPE(c, mean_rows_grad); }

void add_positions_axes(Axes& axes, const Call& c) {
  const int64_t last = c.integer("offset") + axes["T"];
  if (last > axes["P"])
    fail_shape("add_positions: table: axis P: expected at least offset + T = " + std::to_string(last) + ", got " +
               std::to_string(axes["P"]));
}
void add_positions_forward(Call& c) { A2S_BY_DTYPE(c, positions); }
void add_positions_backward(Call& c) { A2S_BY_DTYPE(c, positions_grad); }

}  // namespace a2s
