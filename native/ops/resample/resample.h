// Sample-rate conversion by a Kaiser-windowed sinc, for any rational ratio.
// The default filter is flat within 2e-5 dB up to 0.89 of the lower Nyquist frequency, at -3 dB at 0.936 and below
// -112 dB from 1 on, so nothing that could alias is louder than that. Equal rates copy.
#pragma once
#include "core/op.h"

namespace a2s {

void resample_axes(Axes& axes, const Call& c);
void resample_forward(Call& c);
void resample_backward(Call& c);
double resample_flops(const Call& c);

inline const Op resample{
    .name = "resample",
    .summary = "Band-limited conversion of waveforms from one sample rate to another; samples outside an item are 0.",
    .formula = "y[b,j] = sum_i x[b,i] h(j from/to - i),  h(t) = c sinc(c t) kaiser_beta(c t / zeros),  "
               "c = rolloff min(1, to/from);  So = ceil(S to / from)",
    .source = "Smith: Digital Audio Resampling, ccrma.stanford.edu/~jos/resample; Kaiser 1974",
    .inputs = {data("x", "B S", "waveforms"), maybe(ints("lengths", "B", "samples of each item"))},
    .outputs = {data("y", "B So", "waveforms; 0 beyond ceil(length to / from)")},
    .attrs = {integer("from", 22050, 1, 1e6, "sample rate of x, Hz"), integer("to", 16000, 1, 1e6, "of y, Hz"),
              integer("zeros", 64, 1, 1024, "zero crossings of the sinc on each side: length of the filter"),
              real("beta", 11.5, 0, 30, "Kaiser window: larger is less aliasing, wider transition"),
              real("rolloff", 0.945, 0.1, 1, "middle of the transition, as a share of the lower Nyquist frequency")},
    .axes = resample_axes,
    .forward = resample_forward,
    .backward = resample_backward,
    .flops = resample_flops,
    .check = [](const Call& c) { check_ints(c, 1, 0, c.in[0].dim(1)); },
};

}  // namespace a2s
