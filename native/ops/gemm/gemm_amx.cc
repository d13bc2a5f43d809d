// Products on the matrix unit: 16 x 16 sums of 32 products each at a time, four of them side by side.
#include <immintrin.h>

#include "ops/gemm/gemm_kernel.h"

namespace a2s::gemm_detail {
namespace {

constexpr int kBlockRows = 16;

/** One or two blocks of 16 rows. Tiles 0 to 3 hold sums, 4 and 5 rows of A, 6 and 7 the halves of a panel. */
template <int kBlocks>
void tile_blocks(int64_t kc, const float* a, int64_t, const Bf16* panel, float* c, int64_t ldc, bool) {
  constexpr int64_t row_bytes = kRowStride * sizeof(float), panel_bytes = 128;
  const char* rows = reinterpret_cast<const char*>(a);
  _tile_zero(0);
  _tile_zero(1);
  if constexpr (kBlocks == 2) {
    _tile_zero(2);
    _tile_zero(3);
  }
  for (int64_t k = 0; k < kc; k += kBf16Step) {
    _tile_loadd(6, panel, panel_bytes);
    _tile_loadd(4, rows, row_bytes);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, panel + 32, panel_bytes);
    _tile_dpbf16ps(1, 4, 7);
    if constexpr (kBlocks == 2) {
      _tile_loadd(5, rows + kBlockRows * row_bytes, row_bytes);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
    rows += kBf16Step * sizeof(Bf16);
    panel += kBf16Step * 32;
  }
  const int64_t ld = ldc * static_cast<int64_t>(sizeof(float));
  _tile_stored(0, c, ld);
  _tile_stored(1, c + 16, ld);
  if constexpr (kBlocks == 2) {
    _tile_stored(2, c + kBlockRows * ldc, ld);
    _tile_stored(3, c + kBlockRows * ldc + 16, ld);
  }
}

/** Eight tiles of 16 rows of 64 bytes. */
struct alignas(64) TileShapes {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
constexpr TileShapes kShapes;

void enter() { _tile_loadconfig(&kShapes); }
void leave() { _tile_release(); }

constexpr Bf16Kernels make_amx_kernels() {
  Bf16Kernels k;
  k.rows = 2 * kBlockRows, k.block = kBlockRows;
  k.round = round_row<64, true>, k.pair = pair_rows<64>;
  k.enter = enter, k.leave = leave;
  for (int rows = 1; rows <= k.rows; ++rows) k.tile[rows] = rows <= kBlockRows ? tile_blocks<1> : tile_blocks<2>;
  return k;
}

}  // namespace

constinit const Bf16Kernels Bf16KernelsFor::amx = make_amx_kernels();

}  // namespace a2s::gemm_detail
