// Rows of learned tables. Gradients add in the order of the ids, whatever the number of threads.
#pragma once
#include "core/op.h"

namespace a2s {

void embedding_check(const Call& c);
void embedding_forward(Call& c);
void embedding_backward(Call& c);
void codebook_embedding_axes(Axes& axes, const Call& c);
void codebook_embedding_check(const Call& c);
void codebook_embedding_forward(Call& c);
void codebook_embedding_backward(Call& c);
void add_positions_axes(Axes& axes, const Call& c);
void add_positions_forward(Call& c);
void add_positions_backward(Call& c);

inline const Op embedding{
    .name = "embedding",
    .summary = "One table row for each id; a negative id gives a zero row.",
    .formula = "y[.] = ids[.] < 0 ? 0 : table[ids[.]]",
    .source = "definition",
    .inputs = {ints("ids", "...", "rows to look up, below V"), param("table", "V C", "one row an id")},
    .outputs = {data("y", "... C", "looked-up rows")},
    .forward = embedding_forward,
    .backward = embedding_backward,
    .check = embedding_check,
};

inline const Op codebook_embedding{
    .name = "codebook_embedding",
    .summary = "Mean of the table rows of all codes of a stack of `stack` frames.",
    .formula = "y[b,t] = 1/(K stack) sum_{i,k} table[(k + i K) V + codes[b, k, t stack + i]],  V = R / (K stack)",
    .source = "Hussain et al.: Koel-TTS, arXiv 2502.05236",
    .inputs = {ints("codes", "B K Ts", "codes below V"), param("table", "R C", "K stack tables of V rows, one after another")},
    .outputs = {data("y", "B T C", "stacked frames, T = Ts / stack")},
    .attrs = {integer("stack", 1, 1, 64, "frames a row")},
    .axes = codebook_embedding_axes,
    .forward = codebook_embedding_forward,
    .backward = codebook_embedding_backward,
    .flops = [](const Call& c) { return double(c.in[0].size()) * c.in[1].dim(1); },
    .check = codebook_embedding_check,
};

inline const Op add_positions{
    .name = "add_positions",
    .summary = "Adds learned absolute positions.",
    .formula = "y[b,t] = x[b,t] + table[offset + t]",
    .source = "Gehring et al.: Convolutional Sequence to Sequence Learning, arXiv 1705.03122",
    .inputs = {data("x", "B T C", "rows"), param("table", "P C", "one row a position")},
    .outputs = {data("y", "B T C", "rows with positions")},
    .attrs = {integer("offset", 0, 0, 1 << 24, "position of row 0")},
    .axes = add_positions_axes,
    .forward = add_positions_forward,
    .backward = add_positions_backward,
};

}  // namespace a2s
