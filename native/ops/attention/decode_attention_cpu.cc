#include <algorithm>

#include "ops/attention/attention.h"
#include "ops/attention/head.h"

namespace a2s {
namespace {

using attention::DecodeHead, attention::Steps;

/** Elements of keys and values from which on threads share them, and of a piece: small, as who is done waits for the other's last one. */
constexpr int64_t kShared = 1 << 18, kPiece = 1 << 14;

enum Input { q, k, v, used, prefix_k, prefix_v, prefix_used, prefix_of };

template <class T, class Kept = T>
void forward(Call& c) {
  const int64_t R = c.in[k].dim(0), H = c.in[k].dim(1), Tmax = c.in[k].dim(2), D = c.in[k].dim(3), Tp = c.in[prefix_k] ? c.in[prefix_k].dim(2) : 0;
  const T* queries = c.in[q].as<T>();
  const Kept *keys = c.in[k].as<Kept>(), *values = c.in[v].as<Kept>();
  const int32_t* own_used = c.in[used].as<int32_t>();
  const int64_t room = (Tp + Tmax + 15) / 16 * 16;
  T *y = c.out[0].as<T>(), *p = c.scratch<T>(R * H * room);
  auto prefix = [&](int64_t r, int64_t h) {
    if (!Tp) return Steps<Kept>{};
    const int64_t s = c.in[prefix_of].as<int32_t>()[r], at = (s * H + h) * Tp * D;
    return Steps<Kept>{c.in[prefix_k].as<Kept>() + at, c.in[prefix_v].as<Kept>() + at, c.in[prefix_used].as<int32_t>()[s]};
  };
  int64_t steps = 0;
  for (int64_t r = 0; r < R; ++r) steps += own_used[r] + prefix(r, 0).count;
  const int64_t elements = 2 * steps * D * H, grain = elements < kShared ? H * R : std::max<int64_t>(1, kPiece * H * R / elements);
  // All samples of a head, then the next head: the prefixes that they share stay in the cache.
  c.ctx.pool.ranges(H * R, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t r = i % R, h = i / R, at = r * H + h, step = Tmax * D;
      const Steps<Kept> before = prefix(r, h), own{keys + at * step, values + at * step, own_used[r]};
      if (before.count + own.count)
        attention::decode_head(DecodeHead<Kept>{D, queries + at * D, before, own, own.k + H * step, p + at * room, y + at * D});
      else std::fill_n(y + at * D, D, T(0));
    }
  });
}

}  // namespace

void decode_attention_check(const Call& c) {
  check_ints(c, used, 0, c.in[k].dim(2));
  for (int i : {v, prefix_k, prefix_v})
    if (c.in[i] && c.in[i].dtype != c.in[k].dtype)
      fail_shape(std::string(c.op.name) + ": " + c.op.inputs[i].name + ": expected dtype " + name_of(c.in[k].dtype) + " as k, got " +
                 name_of(c.in[i].dtype));
  const bool given = static_cast<bool>(c.in[prefix_k]);
  for (int i : {prefix_v, prefix_used, prefix_of})
    if (static_cast<bool>(c.in[i]) != given)
      fail_config(std::string(c.op.name) + ": " + c.op.inputs[i].name + ": expected " +
                  (given ? "a tensor with prefix_k, got none" : "none without prefix_k, got one"));
  if (!given) return;
  check_ints(c, prefix_used, 0, c.in[prefix_k].dim(2));
  check_ints(c, prefix_of, 0, c.in[prefix_k].dim(0) - 1);
}
void decode_attention_forward(Call& c) { c.in[k].dtype == DType::bf16 ? forward<float, Bf16>(c) : A2S_BY_DTYPE(c, forward); }

}  // namespace a2s
