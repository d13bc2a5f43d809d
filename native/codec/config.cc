#include "codec/config.h"

#include <string>

#include "core/error.h"

namespace a2s {
namespace {

int64_t product(const std::vector<int64_t>& values) {
  int64_t p = 1;
  for (int64_t v : values) p = p > (int64_t{1} << 40) ? p : p * v;  // far beyond every limit already
  return p;
}

[[noreturn]] void refuse(const char* field, const std::string& expected, const std::string& got) {
  fail_config(std::string("codec config: ") + field + ": expected " + expected + ", got " + got);
}

void each_in(const char* field, const std::vector<int64_t>& values, int64_t low, int64_t high) {
  if (values.empty()) refuse(field, "at least one value", "none");
  for (int64_t v : values)
    if (v < low || v > high) refuse(field, "values in " + std::to_string(low) + " to " + std::to_string(high), std::to_string(v));
}

}  // namespace

int64_t CodecConfig::hop() const { return product(down_sample_rates); }
int64_t CodecConfig::codebook_size() const { return product(levels); }

void CodecConfig::validate() const {
  for (auto [field, value] : {std::pair{"sample_rate", sample_rate}, {"encoder_channels", encoder_channels}, {"groups", groups}})
    each_in(field, {value}, 1, 1000000);
  each_in("down_sample_rates", down_sample_rates, 2, 1000);
  each_in("up_sample_rates", up_sample_rates, 2, 1000);
  each_in("levels", levels, 2, 1 << 24);
  each_in("res_kernels", res_kernels, 1, 1000);
  each_in("res_dilations", res_dilations, 1, 1000);
  if (product(up_sample_rates) != hop())
    refuse("up_sample_rates", "the product of down_sample_rates, " + std::to_string(hop()),
           std::to_string(product(up_sample_rates)));
  if (codebook_size() > 1 << 24)
    refuse("levels", "a product of at most 16777216, which f32 holds exactly", std::to_string(codebook_size()));
  for (int64_t k : res_kernels)
    if (k % 2 == 0) refuse("res_kernels", "odd kernels", std::to_string(k));
  // Each stage halves the channels, and the last activation needs a snake half and a leaky half.
  const int64_t halvings = int64_t{1} << up_sample_rates.size();
  if (decoder_channels % halvings || decoder_channels < 2 * halvings)
    refuse("decoder_channels", "a multiple of " + std::to_string(halvings) + ", twice it at least",
           std::to_string(decoder_channels));
}

}  // namespace a2s
