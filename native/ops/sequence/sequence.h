// Joining and cutting ragged sequences.
#pragma once
#include "core/op.h"

namespace a2s {

void concat_time_axes(Axes& axes, const Call& c);
void concat_time_check(const Call& c);
void concat_time_forward(Call& c);
void concat_time_backward(Call& c);
void slice_time_axes(Axes& axes, const Call& c);
void slice_time_check(const Call& c);
void slice_time_forward(Call& c);
void slice_time_backward(Call& c);

inline const Op concat_time{
    .name = "concat_time",
    .summary = "Joins two ragged sequences item by item, without a gap.",
    .formula = "y[b] = a[b, 0 .. a_lengths[b]-1], b[b, 0 .. b_lengths[b]-1], zeros;  T = Ta + Tb",
    .source = "definition",
    .inputs = {data("a", "B Ta C", "first rows"), ints("a_lengths", "B", "valid rows of a"),
               data("b", "B Tb C", "following rows"), ints("b_lengths", "B", "valid rows of b")},
    .outputs = {data("y", "B T C", "joined rows")},
    .axes = concat_time_axes,
    .forward = concat_time_forward,
    .backward = concat_time_backward,
    .check = concat_time_check,
};

inline const Op slice_time{
    .name = "slice_time",
    .summary = "Cuts a run of rows out of each item.",
    .formula = "y[b,t] = t < lengths[b] ? x[b, start[b] + t] : 0",
    .source = "definition",
    .inputs = {data("x", "B T C", "rows"), ints("start", "B", "first row of each item"),
               ints("lengths", "B", "rows of each item, at most `frames`")},
    .outputs = {data("y", "B To C", "cut rows, To = frames")},
    .attrs = {integer("frames", 1, 1, 1 << 24, "rows of the output")},
    .axes = slice_time_axes,
    .forward = slice_time_forward,
    .backward = slice_time_backward,
    .check = slice_time_check,
};

}  // namespace a2s
