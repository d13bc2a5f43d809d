// Grouped finite scalar quantisation: G groups of D scalars, scalar d rounded to one of levels[d] steps; a group's steps
// make one code. Codes and values follow NanoCodec to the bit, its shift by tan (not atanh) included.
#pragma once
#include "core/op.h"

namespace a2s {

void fsq_encode_axes(Axes& axes, const Call& c);
void fsq_encode_check(const Call& c);
void fsq_encode_forward(Call& c);
void fsq_encode_backward(Call& c);
void fsq_decode_axes(Axes& axes, const Call& c);
void fsq_decode_check(const Call& c);
void fsq_decode_forward(Call& c);

inline const Op fsq_encode{
    .name = "fsq_encode",
    .summary =
        "Latents to codes and to the values that the codes stand for; frames from lengths[b] on are 0. What is not finite is "
        "refused.",
    .formula =
        "k = round_even(scale tanh(x + tan(off / scale)) - off), scale = (L - 1)/2 (1 - 1e-3), off = L even ? 1/2 : 0; "
        "dequantized = k / floor(L/2); code = sum_d (k_d + floor(L_d/2)) prod_{e<d} L_e; "
        "backward takes the rounding as the identity",
    .source = "Mentzer et al.: Finite Scalar Quantization, arXiv 2309.15505",
    .inputs = {data("latent", "B GD T", "G groups of D channels"),
               ints("levels", "D", "steps L_d of each scalar of a group, >= 2"), maybe(ints("lengths", "B", "valid frames"))},
    .outputs = {data("dequantized", "B GD T", "values of the codes"), ints("codes", "B G T", "0 .. prod L - 1")},
    .axes = fsq_encode_axes,
    .forward = fsq_encode_forward,
    .backward = fsq_encode_backward,
    .flops = [](const Call& c) { return 30.0 * c.in[0].size(); },
    .check = fsq_encode_check,
};

inline const Op fsq_decode{
    .name = "fsq_decode",
    .summary = "Codes to the values that they stand for, in f32; frames from lengths[b] on are 0.",
    .formula = "dequantized[b, gD + d, t] = (floor(code / prod_{e<d} L_e) mod L_d - floor(L_d/2)) / floor(L_d/2)",
    .source = "Mentzer et al.: Finite Scalar Quantization, arXiv 2309.15505",
    .inputs = {ints("codes", "B G T", "0 .. prod L - 1"), ints("levels", "D", "steps L_d of each scalar of a group, >= 2"),
               maybe(ints("lengths", "B", "valid frames"))},
    .outputs = {data("dequantized", "B GD T", "values of the codes")},
    .axes = fsq_decode_axes,
    .forward = fsq_decode_forward,
    .check = fsq_decode_check,
};

}  // namespace a2s
