#include "ops/gemm/gemm.h"

#include "core/math.h"

namespace a2s {
namespace {

template <class T>
T at(const Matrix<T>& m, int64_t i, int64_t j) {
  return m.transposed ? m.row(j)[i] : m.row(i)[j];
}

template <class T>
void run(int64_t M, int64_t N, int64_t K, const Matrix<T>& A, const Matrix<T>& B, T* C, int64_t ldc,
         const Epilogue<T>& e) {
  for (int64_t i = 0; i < M; ++i)
    for (int64_t j = 0; j < N; ++j) {
      T sum = 0;
      for (int64_t k = 0; k < K; ++k) sum += at(A, i, k) * at(B, k, j);
      T& c = C[i * ldc + j];
      if (e.accumulate) sum += c;
      if (e.bias) sum += e.bias[j];
      if (e.pre) e.pre[i * ldc + j] = sum;
      c = e.gelu ? math::gelu(sum) : sum;
    }
}

template <class T>
Packed<T> pack_all(int64_t K, int64_t N, const Matrix<T>& B, T* memory) {
  for (int64_t k = 0; k < K; ++k)
    for (int64_t j = 0; j < N; ++j) memory[k * N + j] = at(B, k, j);
  return {memory, K, N};
}

}  // namespace

void gemm(Context, int64_t M, int64_t N, int64_t K, const Matrix<float>& A, const Matrix<float>& B, float* C,
          int64_t ldc, const Epilogue<float>& e) {
  run(M, N, K, A, B, C, ldc, e);
}
void gemm(Context, int64_t M, int64_t N, int64_t K, const Matrix<double>& A, const Matrix<double>& B, double* C,
          int64_t ldc, const Epilogue<double>& e) {
  run(M, N, K, A, B, C, ldc, e);
}

template <class T>
int64_t packed_size(int64_t K, int64_t N) {
  return K * N;
}
template int64_t packed_size<float>(int64_t, int64_t);
template int64_t packed_size<double>(int64_t, int64_t);

Packed<float> pack(Context, int64_t K, int64_t N, const Matrix<float>& B, float* m) { return pack_all(K, N, B, m); }
Packed<double> pack(Context, int64_t K, int64_t N, const Matrix<double>& B, double* m) { return pack_all(K, N, B, m); }

void gemm(Context, int64_t M, const Matrix<float>& A, const Packed<float>& B, float* C, int64_t ldc,
          const Epilogue<float>& e) {
  run(M, B.N, B.K, A, {B.data, B.N}, C, ldc, e);
}
void gemm(Context, int64_t M, const Matrix<double>& A, const Packed<double>& B, double* C, int64_t ldc,
          const Epilogue<double>& e) {
  run(M, B.N, B.K, A, {B.data, B.N}, C, ldc, e);
}

}  // namespace a2s
