// With s = t + 3 g d for tap group g of outputs t and t + d (d: the dilation), x_i = x[s + i d] and taps a, b, c:
//   y[t]     = a (x_0 - x_2) + (a + b + c) / 2 (x_1 + x_2) + (a - b + c) / 2 (x_2 - x_1)
//   y[t + d] = c (x_3 - x_1) + (a + b + c) / 2 (x_1 + x_2) - (a - b + c) / 2 (x_2 - x_1)
// The two products in common are summed over all channels and groups before they are added to either output. Outputs are paired
// by their position in the signal, wherever a portion or a block of it begins: results do not depend on that.
#include "ops/conv/minimal_filter.h"

#include <array>
#include <atomic>

#include "ops/conv/conv_shape.h"
#include "ops/conv/minimal_filter_lanes.h"
#include "ops/conv/transpose_lines.h"

namespace a2s {
namespace {

constexpr size_t kSums = 4;           // of products: for y[t] alone, for both outputs, for both with opposite signs, for y[t + d] alone
constexpr int64_t kDepth = 384;       // rows of a product: its panel of filters stays in the first-level cache
constexpr int64_t kCached = 160'000;  // elements of a block's rows, so that those of a product stay in the second-level cache
constexpr int64_t kLeastColumns = 128;
constexpr int64_t kGroups = 12;  // of panels of filters: tasks where there is one block

/** Rows of a channel in a sum. Two taps that are left of the groups take three products, one takes two: filter_inputs has them. */
int64_t rows_of(int64_t taps, size_t sum) { return taps / 3 + (taps % 3 == 2 ? sum != 2 : taps % 3 == 1 && sum % 3 == 0); }

/** Where the rows of each sum begin, and where all end. */
std::array<int64_t, kSums + 1> starts(int64_t C, int64_t taps) {
  std::array<int64_t, kSums + 1> start{};
  for (size_t q = 0; q < kSums; ++q) start[q + 1] = start[q] + C * rows_of(taps, q);
  return start;
}

/** A panel's filters among `rows` of all panels. One group of panels after another has all its filters in the order of use, each sum's, each
 *  kDepth rows', each panel's columns row by row: who computes a group reads without a gap. */
class PanelFilters {
 public:
  PanelFilters(const Panels& panels, int64_t panel, int64_t rows) {
    const int64_t groups = std::min(kGroups, panels.count), group = ((panel + 1) * groups - 1) / panels.count;
    const int64_t first = panels.begin(group * panels.count / groups);
    begin_ = first * rows, before_ = panels.begin(panel) - first;
    outputs_ = panels.begin((group + 1) * panels.count / groups) - first;
  }
  /** Where those of rows [r, r + depth) begin. */
  int64_t at(int64_t r, int64_t depth) const { return begin_ + r * outputs_ + before_ * depth; }

 private:
  int64_t begin_, before_, outputs_;
};

/** to[c, j, m] = from[c, m, taps - 1 - j], whose rows c are `step` apart. */
template <class T>
void turn_columns(const T* from, int64_t step, int64_t C, int64_t M, int64_t taps, T* to) {
  for (int64_t c = 0; c < C; ++c, from += step)
    for (int64_t j = taps - 1; j >= 0; --j)
      for (int64_t m = 0; m < M; ++m) *to++ = from[m * taps + j];
}

}  // namespace

bool minimally_filtered(int64_t O, int64_t C, int64_t taps) {
  const int64_t channels = std::min(O, C);
  return taps >= 3 && channels >= 32 && channels * taps >= 400;  // below, the sums around the products take about what these save
}

int64_t minimal_filters_size(int64_t O, int64_t C, int64_t taps) { return O * starts(C, taps)[kSums]; }

template <class T>
void pack_minimal_filters(const Context& ctx, int64_t O, int64_t C, int64_t taps, const T* w, T* filters, bool turned) {
  const Panels panels(O, tap_panel<T>());
  const auto start = starts(C, taps);
  const int64_t R = C * taps;
  ScratchScope scope(ctx.scratch);
  each_task<T>(ctx, panels.count, tap_panel<T>() * R, [&](int64_t panel, T* columns) {
    const int64_t first = panels.begin(panel), M = panels.height(panel);
    if (turned) turn_columns(w + first * taps, O * taps, C, M, taps, columns);
    else transpose_lines(columns, w + first * R, M, R, R);
    const PanelFilters place(panels, panel, start[kSums]);
    auto row = [&](size_t q, int64_t r) {
      const int64_t part = start[q] + r / kDepth * kDepth;
      return filters + place.at(part, std::min(kDepth, start[q + 1] - part)) + r % kDepth * M;
    };
    for (int64_t c = 0; c < C; ++c)
      for (int64_t j = 0; j < taps; j += 3) {
        const T *a0 = columns + (c * taps + j) * M, *a1 = a0 + M, *a2 = a1 + M;
        std::array<T*, kSums> to{};
        for (size_t q = 0; q < kSums; ++q)
          if (j / 3 < rows_of(taps, q)) to[q] = row(q, c * rows_of(taps, q) + j / 3);
        if (taps - j >= 3)
          for (int64_t m = 0; m < M; ++m) {
            const T outer = (a0[m] + a2[m]) / 2, middle = a1[m] / 2;
            to[0][m] = a0[m], to[1][m] = outer + middle, to[2][m] = outer - middle, to[3][m] = -a2[m];
          }
        else if (taps - j == 2)
          for (int64_t m = 0; m < M; ++m) to[0][m] = -a0[m], to[1][m] = a0[m] + a1[m], to[3][m] = a1[m];
        else std::copy_n(a0, M, to[0]), std::copy_n(a0, M, to[3]);
      }
  });
}

namespace {

/** A convolution in blocks of columns. */
template <class T>
class MinimalFilter {
 public:
  MinimalFilter(const Context& ctx, const LineConv<T>& p)
      : ctx_(ctx), p_(p), pairs_(p.dilation), panels_(p.O, tap_panel<T>()), start_(starts(p.C, p.taps)), rows_(start_[kSums]) {
    const int64_t d = p.dilation;
    int64_t lead = 0;  // outputs before x that are paired with those of x
    for (int64_t b = 0; p.before && b < p.B; ++b) lead = std::max(lead, p.before[b] % (2 * d));
    runs_ = (lead + p.n + 2 * d - 1) / (2 * d);
    tile_ = runs_ * d <= 16 ? 16 : panels_.height(0) > 8 ? 32 : 48;  // whole vectors of the product, whatever its instruction set
    const int64_t threads = ctx.pool.threads(), wanted = threads > 1 ? 6 * threads : 1;  // tasks
    int64_t most = std::max(kCached / rows_ / tile_ * tile_, kLeastColumns);
    while (most > kLeastColumns && p.B * runs_ * d < wanted * most) most /= 2;
    block_ = std::clamp<int64_t>(most / d, 1, runs_);
    blocks_ = std::max<int64_t>(1, (runs_ + block_ / 2) / block_);
    const int64_t items = std::max<int64_t>(p.B * blocks_, 1);
    parts_ = std::clamp<int64_t>((wanted + items - 1) / items, 1, panels_.count);
    width_ = tiled(std::max(block_, runs_ - (blocks_ - 1) * block_) * d);
    line_ = (pairs_.position(width_) + (p.taps + 1) * d + kFilterSlack + 15) / 16 * 16;
  }

  void run() {
    int32_t* offset = ctx_.scratch.alloc<int32_t>(kDepth);
    for (int64_t r = 0; r < kDepth; ++r) offset[r] = static_cast<int32_t>(r * tile_);
    offset_ = offset;
    const int64_t size = rows_ * width_, sums = int64_t{kSums} * (p_.O / parts_ + tap_panel<T>()) * width_ + kFilterSlack;
    const int64_t tasks = p_.B * blocks_ * parts_;
    std::atomic<int64_t> next{0};
    ctx_.pool.run(std::min<int64_t>(ctx_.pool.threads(), tasks), [&](int64_t) {
      // Memory of the thread's own, the same in every call: what another one wrote would come from its cache.
      thread_local Arena memory;
      memory.reset();
      T* own = memory.alloc<T>(size + std::max(line_, sums));
      for (int64_t i, held = -1; (i = next.fetch_add(1, std::memory_order_relaxed)) < tasks; held = i / parts_) {
        const Block block = at(i / parts_ / blocks_, i / parts_ % blocks_);
        if (held != i / parts_) inputs(block, own, own + size);
        outputs(block, i % parts_ * panels_.count / parts_, (i % parts_ + 1) * panels_.count / parts_, own, own + size);
      }
    });
  }

 private:
  /** Outputs [begin, end) of item b, of which those before `valid` are computed; t: the first one of the first column, which may be before x. */
  struct Block {
    int64_t b, t, begin, valid, end, columns;
  };
  Block at(int64_t b, int64_t i) const {
    const int64_t period = 2 * p_.dilation, runs = i + 1 < blocks_ ? block_ : runs_ - i * block_;
    Block k{.b = b, .t = i * block_ * period - (p_.before ? p_.before[b] % period : 0)};
    k.begin = std::max<int64_t>(k.t, 0), k.end = std::max(k.begin, std::min(k.t + runs * period, p_.n));
    k.valid = std::clamp<int64_t>(p_.lengths ? p_.lengths[b] : p_.n, k.begin, k.end);
    k.columns = k.valid > k.begin ? (k.valid - k.t + period - 1) / period * p_.dilation : 0;
    return k;
  }

  int64_t tiled(int64_t columns) const { return (columns + tile_ - 1) / tile_ * tile_; }

  /** The rows; `line` holds what is seen of one channel. */
  void inputs(const Block& k, T* rows, T* line) {
    const int64_t size = p_.n + (p_.taps - 1) * p_.dilation;
    const int64_t first = std::clamp<int64_t>(-k.t, 0, line_), last = std::clamp(size - k.t, first, line_);
    FilterInputs<T> in{pairs_, p_.taps, tiled(k.columns), nullptr, {}, tile_, rows_ * tile_};
    for (int64_t c = 0; c < p_.C; ++c) {
      in.x = p_.x + (k.b * p_.C + c) * p_.x_step + k.t;
      if (first > 0 || last < line_) {
        std::fill_n(line, first, T(0));
        std::copy(in.x + first, in.x + last, line + first);
        std::fill(line + last, line + line_, T(0));
        in.x = line;
      }
      for (size_t q = 0; q < kSums; ++q) in.to[q] = rows + (start_[q] + c * rows_of(p_.taps, q)) * tile_;
      filter_inputs(in);
    }
  }

  /** The outputs of panels [p0, p1) of filters; `sums` holds their sums. */
  void outputs(const Block& k, int64_t p0, int64_t p1, const T* rows, T* sums) {
    const int64_t o0 = panels_.begin(p0), o1 = panels_.begin(p1);
    auto sums_of = [&](size_t q, int64_t o) { return sums + (static_cast<int64_t>(q) * (o1 - o0) + o - o0) * width_; };
    for (size_t q = 0; q < kSums; ++q)
      for (int64_t r = start_[q]; r < start_[q + 1]; r += kDepth)
        for (int64_t panel = p0; panel < p1; ++panel) {
          const int64_t first = panels_.begin(panel), depth = std::min(kDepth, start_[q + 1] - r);
          const T* filters = p_.filters + PanelFilters(panels_, panel, rows_).at(r, depth);
          for (int64_t n = 0; n < k.columns; n += tile_) {
            TapProduct<T> product{filters, panels_.height(panel), rows + n * rows_ + r * tile_, offset_, depth, sums_of(q, first) + n, width_,
                                  std::min(tile_, k.columns - n)};
            if (p_.bias && q % 3 == 0) product.bias = p_.bias + first;  // once in each output
            product.accumulate = r > start_[q];
            tap_product(product);
          }
        }
    for (int64_t o = o0; o < o1; ++o) {
      const int64_t line = k.b * p_.O + o;
      T* y = p_.y + line * p_.y_step;
      FilterOutputs<T> out{pairs_, k.begin - k.t, k.valid - k.t, {}, p_.residual ? p_.residual + line * p_.y_step + k.t : nullptr, y + k.t};
      for (size_t q = 0; q < kSums; ++q) out.sums[q] = sums_of(q, o);
      filter_outputs(out);
      std::fill(y + k.valid, y + k.end, T(0));
      if (p_.activation) p_.activation->line(o, y + k.begin, p_.activated + line * p_.activated_step + k.begin, k.end - k.begin);
    }
  }

  const Context& ctx_;
  const LineConv<T>& p_;
  const Pairs pairs_;
  const Panels panels_;
  const std::array<int64_t, kSums + 1> start_;
  const int64_t rows_;
  int64_t tile_;                  // columns whose rows lie together
  int64_t runs_, block_, blocks_;  // runs of d columns, of a block (the last one has the rest), blocks of an item
  int64_t parts_;                 // of the panels of a block
  int64_t width_, line_;          // most columns of a block, in whole tiles, and what they see of a channel
  const int32_t* offset_ = nullptr;
};

}  // namespace

template <class T>
void minimal_filter_lines(const Context& ctx, const LineConv<T>& p) {
  ScratchScope scope(ctx.scratch);
  MinimalFilter<T>(ctx, p).run();
}

template void pack_minimal_filters(const Context&, int64_t, int64_t, int64_t, const float*, float*, bool);
template void pack_minimal_filters(const Context&, int64_t, int64_t, int64_t, const double*, double*, bool);
template void minimal_filter_lines(const Context&, const LineConv<float>&);
template void minimal_filter_lines(const Context&, const LineConv<double>&);

}  // namespace a2s
