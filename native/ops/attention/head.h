// One attention head of one sample: what the f64 reference and the f32 kernels both compute.
#pragma once
#include <type_traits>

#include "core/bf16.h"
#include "ops/elementwise/dropout_mask.h"

namespace a2s::attention {

/** Pointers are to row 0 of this sample and column 0 of this head; row r of `q` starts at q + r * q_stride. */
template <class T>
struct Head {
  int64_t width = 0;                   // D
  int64_t row_begin = 0, row_end = 0;  // query rows to compute
  int64_t keys = 0;                    // keys that take part: 0 .. keys - 1
  int64_t columns = 0;                 // keys in memory, the row length of `prior`, `probs` and the dropout elements
  bool causal = false;                 // row i sees keys 0 .. i
  bool bf16 = false;                   // of f32: keys and values are rounded, as a cache in bf16 would keep them
  T scale = 1;

  const T *q = nullptr, *k = nullptr, *v = nullptr;
  int64_t q_stride = 0, kv_stride = 0, y_stride = 0;
  const T* prior = nullptr;  // row 0; null: none
  T prior_eps = 0;
  bool strict = false;
  DropoutMask dropout;
  uint64_t sample = 0, first_element = 0;

  T* y = nullptr;        // forward; null when only `probs` are wanted
  T* probs = nullptr;    // forward; null when not wanted
  T* lse = nullptr;      // [rows]; forward writes when not null, backward reads
  T* raw_lse = nullptr;  // [rows], used with `strict`

  // Backward; the gradients have the strides of their values. dq or dk with dv may be null.
  const T* dy = nullptr;
  T *dq = nullptr, *dk = nullptr, *dv = nullptr;
};

/** Writes y (and lse, raw_lse, probs) of rows row_begin .. row_end - 1; `scratch` holds forward_scratch(h) elements. */
void head_forward(const Head<float>& h, float* scratch);
void head_forward(const Head<double>& h, double* scratch);
int64_t forward_scratch(const Head<float>& h);
int64_t forward_scratch(const Head<double>& h);

/** Assigns rows row_begin .. row_end - 1 of dq and rows 0 .. keys - 1 of dk and dv. */
void head_backward(const Head<float>& h, float* scratch);
void head_backward(const Head<double>& h, double* scratch);
int64_t backward_scratch(const Head<float>& h);
int64_t backward_scratch(const Head<double>& h);

/** Cached keys and values of one head in consecutive steps. */
template <class Kept>
struct Steps {
  const Kept *k = nullptr, *v = nullptr;
  int64_t count = 0;
};

/** One new row of one head: its query, and the steps of a prefix and of its own, at least one, which f32 also reads in bf16. */
template <class Kept>
struct DecodeHead {
  using T = std::conditional_t<std::is_same_v<Kept, double>, double, float>;
  int64_t width = 0;  // D
  const T* q = nullptr;
  Steps<Kept> prefix, own;
  const Kept* next = nullptr;  // keys that will be read after these
  T *p = nullptr, *y = nullptr;  // p: room for a number a step, in whole vectors of 64 bytes

  /** Of step j of all, D apart; of the last where j is beyond it. */
  A2S_INLINE const Kept* key(int64_t j, int64_t D) const { return row(prefix.k, own.k, j, D); }
  A2S_INLINE const Kept* value(int64_t j, int64_t D) const { return row(prefix.v, own.v, j, D); }
  A2S_INLINE const Kept* row(const Kept* before, const Kept* after, int64_t j, int64_t D) const {
    const int64_t last = prefix.count + own.count - 1;
    j = j < last ? j : last;
    return j < prefix.count ? before + j * D : after + (j - prefix.count) * D;
  }
};
void decode_head(const DecodeHead<float>& h);
void decode_head(const DecodeHead<Bf16>& h);
void decode_head(const DecodeHead<double>& h);

/** The f32 kernels of one instruction set; head_forward and its like choose by CPU. */
struct Kernels {
  void (*forward)(const Head<float>& h, float* scratch);
  void (*backward)(const Head<float>& h, float* scratch);
  void (*decode)(const DecodeHead<float>& h);
  void (*decode_bf16)(const DecodeHead<Bf16>& h);
};
extern const Kernels kBaseline, kAvx2, kAvx512;

}  // namespace a2s::attention
