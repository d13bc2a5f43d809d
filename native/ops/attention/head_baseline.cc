// The baseline kernels, and the choice among all of them.
#include "core/cpu.h"
#include "ops/attention/head_kernel.h"

namespace a2s::attention {

const Kernels kBaseline{forward, backward};

namespace {

const Kernels& kernels() {
#if defined(__x86_64__)
  return cpu_isa() >= Isa::avx512 ? kAvx512 : cpu_isa() >= Isa::avx2 ? kAvx2 : kBaseline;
#else
  return kBaseline;
#endif
}

/** What both passes take, with the largest paddings of any instruction set: packed keys, one block's rows and scores. */
struct Sizes {
  int64_t width, keys, packed, row, block_rows, block_scores;
  explicit Sizes(const Head<float>& h)
      : width(round_up(h.width, 16)), keys(round_up(h.keys, kPanel) * width), packed(round_up(h.width * round_up(h.keys, kPanel), 16)),
        row(round_up(h.keys, kPanel) + 16), block_rows(kBlock * width), block_scores(kBlock * row) {}
};

}  // namespace

int64_t forward_scratch(const Head<float>& h) {
  const Sizes n(h);
  return n.packed + n.keys + 2 * n.block_rows + n.block_scores + n.row;
}

int64_t backward_scratch(const Head<float>& h) {
  const Sizes n(h);
  return 2 * n.packed + 3 * n.keys + 3 * n.block_rows + 2 * n.block_scores + 3 * n.row;
}

void head_forward(const Head<float>& h, float* scratch) { kernels().forward(h, scratch); }
void head_backward(const Head<float>& h, float* scratch) { kernels().backward(h, scratch); }

}  // namespace a2s::attention
