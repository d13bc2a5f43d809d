// Matrix products of the shapes of training and decoding. "cold": each product uses another copy of the weight, over
// 144 MB of them, so that weights stream from memory as they do when a model decodes.
#include <algorithm>
#include <bit>

#include "ops/gemm/gemm.h"
#include "test/bench.h"
#include "test/test.h"

namespace a2s::test {
namespace {

struct Shape {
  const char* form;  // NT: x wᵀ, forward; NN: dy w, gradient of the input; TN: dyᵀ x, gradient of the weight
  int64_t M, N, K;
  bool packed, cold;
  bool bf16 = false;
};

std::vector<Shape> shapes() {
  std::vector<Shape> all;
  struct Size {
    int64_t N, K;
  };
  const Size square{768, 768}, wide{3072, 768}, deep{768, 3072}, small{256, 256};
  for (bool packed : {true, false}) {
    for (Size s : {small, square, wide, deep})
      for (int64_t M : {1, 12, 24, 96})
        for (bool cold : {false, true}) all.push_back({"NT", M, s.N, s.K, packed, cold});
    all.push_back({"NT", 32, 768, 768, packed, false});
    all.push_back({"NT", 128, 768, 768, packed, false});
    all.push_back({"NT", 2048, 3072, 768, packed, false});
    all.push_back({"NT", 2048, 768, 3072, packed, false});
    all.push_back({"NN", 2048, 768, 768, packed, false});
    all.push_back({"NT", 2048, 512, 128, packed, false});
  }
  all.push_back({"TN", 3072, 768, 2048, false, false});
  all.push_back({"TN", 512, 128, 2048, false, false});
  for (bool packed : {true, false}) {
    for (int64_t M : {1, 12, 96})
      for (bool cold : {false, true}) all.push_back({"NT", M, square.N, square.K, packed, cold, true});
    all.push_back({"NT", 2048, 3072, 768, packed, false, true});
  }
  for (auto [N, K] : {Size{1536, 384}, Size{512, 128}}) {
    all.push_back({"NT", 2048, N, K, false, false, true});
    all.push_back({"NN", 2048, K, N, false, false, true});
    all.push_back({"TN", N, K, 2048, false, false, true});
  }
  return all;
}

/** Everything a product works on; its weights hold any packed form too, because only their extent matters for time. */
struct Operands {
  Arena memory;  // on large pages, as a model's parameters are
  int64_t size, copies, next = 0;
  float *weights, *x, *y;

  explicit Operands(const Shape& s) : size(packed_size<float>(s.K, s.N, s.bf16 && s.packed)), copies(s.cold ? (36 << 20) / size : 1) {
    weights = memory.alloc<float>(size * copies);
    x = memory.alloc<float>(s.M * s.K);
    y = memory.alloc<float>(s.M * s.N);
    std::fill_n(weights, size * copies, std::bit_cast<float>(0x3c243c24u));  // 0.01 as f32 and as two bf16
    std::fill_n(x, s.M * s.K, 0.5f);
    std::fill_n(y, s.M * s.N, 0.f);
  }
  void multiply(const Shape& s) {
    const float* w = weights + next++ % copies * size;
    const Matrix<float> a = s.form[0] == 'T' ? Matrix<float>{x, s.M, true} : Matrix<float>{x, s.K};
    const Context context{test_pool(), test_scratch(), nullptr, s.bf16};
    if (s.packed) gemm(context, s.M, a, Packed<float>{w, s.K, s.N, s.bf16}, y, s.N);
    else if (s.form[1] == 'T') gemm(context, s.M, s.N, s.K, a, {w, s.K, true}, y, s.N);
    else gemm(context, s.M, s.N, s.K, a, {w, s.N}, y, s.N);
  }
};

}  // namespace

std::vector<Bench> gemm_benches() {
  std::vector<Bench> all;
  for (const Shape& s : shapes()) {
    std::ostringstream name, attrs;
    name << s.form << ' ' << s.M << 'x' << s.N << 'x' << s.K << (s.packed ? " packed" : "") << (s.cold ? " cold" : "") << (s.bf16 ? " bf16" : "");
    attrs << "{\"form\":\"" << s.form << "\",\"M\":" << s.M << ",\"N\":" << s.N << ",\"K\":" << s.K
          << ",\"packed\":" << (s.packed ? "true" : "false") << ",\"cold\":" << (s.cold ? "true" : "false")
          << ",\"bf16\":" << (s.bf16 ? "true" : "false") << "}";
    all.push_back({"gemm", name.str(), "{}", attrs.str(), false, [s] {
                     auto operands = std::make_shared<Operands>(s);
                     const double flops = 2.0 * static_cast<double>(s.M * s.N * s.K);
                     const double weight_bytes = s.bf16 && s.packed ? 2 : 4;
                     const double bytes = 4.0 * static_cast<double>(s.M * s.K + s.M * s.N) + weight_bytes * static_cast<double>(s.N * s.K);
                     return std::vector<Pass>{{"forward", flops, bytes, [s, operands] { operands->multiply(s); }}};
                   }});
  }
  return all;
}

}  // namespace a2s::test
