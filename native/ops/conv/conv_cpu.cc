// Arguments, shapes and dispatch of conv1d and conv2d; the three passes are in conv_forward, conv_backward_data and
// conv_backward_weights.
#include <string>

#include "ops/conv/conv_shape.h"

namespace a2s {
namespace {

/** Outputs along one axis; an error when there is not even one. */
int64_t outputs(const Call& c, const char* axis, int64_t size, int64_t pads, int64_t k, int64_t stride, int64_t dilation) {
  const int64_t reach = dilation * (k - 1) + 1;
  if (size + pads < reach)
    fail_shape(std::string(c.op.name) + ": x: axis " + axis + ": expected at least " + std::to_string(reach - pads) +
               " for this kernel, got " + std::to_string(size));
  return (size + pads - reach) / stride + 1;
}

void require_filters(const Call& c) {
  const Tensor& w = c.in[1];
  if (w.size() == 0)
    fail_shape(std::string(c.op.name) + ": w: expected at least one filter, channel and tap, got " + shape_string(w.shape()));
}

/** A reflection must end inside the signal, and a repeated edge must exist. */
void check_padding(const Call& c, const char* axis, int64_t size, int64_t pad) {
  const PadMode mode = static_cast<PadMode>(c.integer("pad_mode"));
  if ((mode == PadMode::reflect && pad >= size) || (mode == PadMode::replicate && pad > 0 && size < 1))
    fail_shape(std::string(c.op.name) + ": x: axis " + axis + ": expected more positions than are padded (" +
               std::to_string(pad) + "), got " + std::to_string(size));
}

int64_t conv1d_outputs(const Call& c) {
  return outputs(c, "T", c.in[0].dims[2], c.integer("pad_left") + c.integer("pad_right"), c.in[1].dims[2], c.integer("stride"),
                 c.integer("dilation"));
}

int64_t transpose_outputs(const Call& c) {
  return (c.in[0].dims[2] - 1) * c.integer("stride") + c.in[1].dims[2] - c.integer("trim_left") - c.integer("trim_right");
}

}  // namespace

void conv1d_axes(Axes& axes, const Call& c) {
  require_filters(c);
  const int64_t groups = c.integer("groups"), C = axes["C"], O = axes["O"];
  if (axes["Cg"] * groups != C || O % groups)
    fail_shape("conv1d: w: expected [O, C / groups, k] with O a multiple of groups, got " + shape_string(c.in[1].shape()) +
               " for C=" + std::to_string(C) + ", groups=" + std::to_string(groups));
  const int64_t To = conv1d_outputs(c);
  if (axes.find("To") >= 0 && axes["To"] != To)
    fail_shape("conv1d: residual: expected [B, O, " + std::to_string(To) + "], got " + shape_string(c.in[4].shape()));
  axes.bind("To", To);
}

void conv1d_check(const Call& c) {
  check_padding(c, "T", c.in[0].dims[2], std::max(c.integer("pad_left"), c.integer("pad_right")));
  check_ints(c, 3, 0, conv1d_outputs(c));
}

void conv2d_check(const Call& c) {
  check_padding(c, "H", c.in[0].dims[2], c.integer("pad_h"));
  check_padding(c, "W", c.in[0].dims[3], c.integer("pad_w"));
}

void conv2d_axes(Axes& axes, const Call& c) {
  require_filters(c);
  axes.bind("Ho", outputs(c, "H", axes["H"], 2 * c.integer("pad_h"), axes["kh"], c.integer("stride_h"), c.integer("dilation_h")));
  axes.bind("Wo", outputs(c, "W", axes["W"], 2 * c.integer("pad_w"), axes["kw"], c.integer("stride_w"), c.integer("dilation_w")));
}

void conv_transpose1d_axes(Axes& axes, const Call& c) {
  require_filters(c);
  const int64_t groups = c.integer("groups"), C = axes["C"], To = transpose_outputs(c);
  if (C % groups)
    fail_shape("conv_transpose1d: x: axis C: expected a multiple of groups=" + std::to_string(groups) + ", got " +
               std::to_string(C));
  if (To < 1) fail_shape("conv_transpose1d: x: axis T: expected frames left after the trims, got T=" + std::to_string(axes["T"]));
  if (axes.find("O") < 0) axes.bind("O", axes["Og"] * groups);
  else if (axes["O"] != axes["Og"] * groups)
    fail_shape("conv_transpose1d: b: expected [" + std::to_string(axes["Og"] * groups) + "], got " +
               shape_string(c.in[2].shape()));
  axes.bind("To", To);
}

void conv_transpose1d_check(const Call& c) { check_ints(c, 3, 0, transpose_outputs(c)); }

ConvShape conv_shape(const Call& c) {
  const Tensor &x = c.in[0], &w = c.in[1], &y = c.out[0];
  ConvShape s{};
  s.B = x.dims[0], s.C = x.dims[1], s.O = w.dims[0], s.Cg = w.dims[1];
  s.groups = s.C / s.Cg, s.Og = s.O / s.groups;
  const bool plane = x.rank == 4;
  s.H = plane ? x.dims[2] : 1, s.W = x.dims[x.rank - 1];
  s.Ho = plane ? y.dims[2] : 1, s.Wo = y.dims[y.rank - 1];
  s.kh = plane ? w.dims[2] : 1, s.kw = w.dims[w.rank - 1];
  s.stride_h = plane ? c.integer("stride_h") : 1, s.stride_w = c.integer(plane ? "stride_w" : "stride");
  s.dilation_h = plane ? c.integer("dilation_h") : 1, s.dilation_w = c.integer(plane ? "dilation_w" : "dilation");
  s.pad_h = plane ? c.integer("pad_h") : 0, s.pad_w = c.integer(plane ? "pad_w" : "pad_left");
  s.pad_right = plane ? s.pad_w : c.integer("pad_right");
  s.mode = static_cast<PadMode>(c.integer("pad_mode"));
  s.lengths = !plane && c.in[3] ? c.in[3].as<int32_t>() : nullptr;
  return s;
}

double conv_flops(const Call& c) {
  const Tensor& w = c.in[1];
  return 2.0 * c.out[0].size() * w.size() / w.dims[0];
}

namespace {

template <class T>
void forward(Call& c) {
  auto given = [&](int i) { return c.in[i] ? c.in[i].as<T>() : nullptr; };
  const T* residual = c.in[0].rank == 3 ? given(4) : nullptr;
  conv_forward(c.ctx, conv_shape(c), given(0), given(1), given(2), residual, c.out[0].as<T>());
}

template <class T>
void backward(Call& c) {
  const ConvShape s = conv_shape(c);
  const T* dy = c.dout[0].as<T>();
  if (c.din[0]) conv_backward_data(c.ctx, s, dy, c.in[1].as<T>(), c.din[0].as<T>());
  if (c.din[1]) conv_backward_weights(c.ctx, s, c.in[0].as<T>(), dy, c.din[1].as<T>());
  auto length = [&](int64_t b) { return s.length(b); };
  if (c.din[2]) add_bias_gradient(c.ctx, dy, c.din[2].as<T>(), s.B, s.O, s.Ho, s.Wo, length);
  if (c.in[0].rank == 3 && c.din[4]) copy_valid(c.ctx, dy, c.din[4].as<T>(), s.B, s.O, s.Wo, length);
}

}  // namespace

void conv1d_forward(Call& c) { A2S_BY_DTYPE(c, forward); }
void conv1d_backward(Call& c) { A2S_BY_DTYPE(c, backward); }
void conv2d_forward(Call& c) { A2S_BY_DTYPE(c, forward); }
void conv2d_backward(Call& c) { A2S_BY_DTYPE(c, backward); }

}  // namespace a2s
