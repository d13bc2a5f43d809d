// The matrix product everything stands on: C[M,N] = A[M,K] · B[K,N], in f32 and f64, on the threads of a pool.
//
//   gemm(ctx, M, N, K, {x, K}, {w, K, true}, y, N);                                y = x wᵀ
//   gemm(ctx, M, N, K, {dy, M, true}, {x, N}, dw, N, {.accumulate = true});        dw += dyᵀ x
//   gemm(ctx, M, N, K, {x, K}, {w, K, true}, y, N, {.bias = b, .gelu = true});     y = gelu(x wᵀ + b)
//
// C[i,j] depends on row i of A, column j of B and K alone: it has the same bits for any M and N, any number of threads,
// any leading dimension, transposed or not, packed or not. Sums run over k in order, in blocks of fixed length; AVX2 and
// AVX-512 agree to the bit, the baseline, which has no fused multiply-add, does not.
//
// Where the context says bf16, operands of f32 are rounded to it while they are packed, which takes the processor's own bf16
// products where it has them; all else holds, but that bits differ between processors.
#pragma once
#include "core/once.h"
#include "core/op.h"

namespace a2s {

/** A matrix in somebody else's memory. Stored row r starts at data + (r / group) * group_stride + (r % group) * ld,
 *  so that the windows of a padded batch can be read in place. */
template <class T>
struct Matrix {
  const T* data;
  int64_t ld;               // elements from one stored row to the next; less than a row's length: rows overlap
  bool transposed = false;  // the operand is the transpose of what is stored
  int64_t group = 0;        // rows a group; 0: all rows are one group
  int64_t group_stride = 0;

  const T* row(int64_t r) const { return group ? data + r / group * group_stride + r % group * ld : data + r * ld; }
};

/** What happens to the product on its way into C. */
template <class T>
struct Epilogue {
  bool accumulate = false;  // add the product to what C holds
  const T* bias = nullptr;  // [N], added to every row
  bool gelu = false;        // C = gelu(sum)
  T* pre = nullptr;         // [M,N] with C's leading dimension: with gelu: receives the sum before it
  const T* residual = nullptr;  // [M,N] with C's leading dimension, added last
};

/** C[M,N] = A[M,K] · B[K,N]. C must not overlap A, B, `pre` or `residual`; its rows are `ldc` >= N elements apart. */
void gemm(Context ctx, int64_t M, int64_t N, int64_t K, const Matrix<float>& A, const Matrix<float>& B, float* C,
          int64_t ldc, const Epilogue<float>& e = {});
void gemm(Context ctx, int64_t M, int64_t N, int64_t K, const Matrix<double>& A, const Matrix<double>& B, double* C,
          int64_t ldc, const Epilogue<double>& e = {});

/** B[K,N] in the order in which the kernels read it: packed once, used for many products. The memory is the caller's. */
template <class T>
struct Packed {
  const T* data = nullptr;
  int64_t K = 0, N = 0;
  bool bf16 = false;  // two in an element
};

/** Elements of memory, aligned to 64 bytes, that pack() fills in a context with or without bf16. */
template <class T>
int64_t packed_size(int64_t K, int64_t N, bool bf16 = false);

Packed<float> pack(Context ctx, int64_t K, int64_t N, const Matrix<float>& B, float* memory);
Packed<double> pack(Context ctx, int64_t K, int64_t N, const Matrix<double>& B, double* memory);

/** C[M,N] = A[M,K] · B, in bf16 where B is. */
void gemm(Context ctx, int64_t M, const Matrix<float>& A, const Packed<float>& B, float* C, int64_t ldc,
          const Epilogue<float>& e = {});
void gemm(Context ctx, int64_t M, const Matrix<double>& A, const Packed<double>& B, double* C, int64_t ldc,
          const Epilogue<double>& e = {});

/** The same by everybody in the context's team, each with rows of their own; A's rows follow one another. B is read once, and goes with `bias` and
 *  `gelu` for all. Gives the bits of gemm(). */
void gemm_together(Context ctx, int64_t M, const float* A, const Packed<float>& B, float* C, const Epilogue<float>& e = {});
void gemm_together(Context ctx, int64_t M, const double* A, const Packed<double>& B, double* C, const Epilogue<double>& e = {});

/** What is made of one weight: the second operand of x · wᵀ, also with the taps of a filter in the order of the weight, or of dy · w. */
enum class Use { forward, forward_taps, backward };

/** B[K,N], which operand() makes of a weight, packed once for all passes of a call; without data where they share nothing. */
template <class T, class Operand>
Packed<T> shared_pack(const Context& ctx, int64_t K, int64_t N, const T* weight, Use use, Operand&& operand) {
  if (!ctx.once || !ctx.once->covers(weight)) return {};
  const int64_t size = packed_size<T>(K, N, ctx.bf16);
  return {ctx.once->get<T>(ctx.pool, weight, static_cast<int>(use), size, [&](T* to) { pack(ctx, K, N, operand(), to); }), K, N, ctx.bf16};
}
/** C[M,N] = A[M,K] · B of a weight. */
template <class T, class Operand>
void gemm_weight(const Context& ctx, int64_t M, int64_t N, int64_t K, const Matrix<T>& A, const T* weight, Use use, Operand&& operand, T* C,
                 int64_t ldc, const Epilogue<T>& e = {}) {
  const Packed<T> B = shared_pack(ctx, K, N, weight, use, operand);
  B.data ? gemm(ctx, M, A, B, C, ldc, e) : gemm(ctx, M, N, K, A, operand(), C, ldc, e);
}

}  // namespace a2s
