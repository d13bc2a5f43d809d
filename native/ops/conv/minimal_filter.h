// Dilated convolutions of lines by fewer products: two outputs of three taps take four products of sums of inputs with sums
// of taps instead of six. Source: Winograd, Arithmetic Complexity of Computations, 1980: F(2, 3), F(2, 2); Lavin, Gray, Fast
// Algorithms for Convolutional Neural Networks, arXiv 1509.09308.
#pragma once
#include "ops/conv/conv_lines.h"

namespace a2s {

/** Whether convolutions of such filters are computed so. Of the filters alone, so that results do not depend on the signal's length. */
bool minimally_filtered(int64_t O, int64_t C, int64_t taps);

/** Elements of filters w [O, C, taps] as minimal_filter_lines takes them. */
int64_t minimal_filters_size(int64_t O, int64_t C, int64_t taps);
/** `turned`: from w [C, O, taps], whose last tap becomes the first. */
template <class T>
void pack_minimal_filters(const Context& ctx, int64_t O, int64_t C, int64_t taps, const T* w, T* filters, bool turned = false);

/** conv_lines with such filters. */
template <class T>
void minimal_filter_lines(const Context& ctx, const LineConv<T>& p);

}  // namespace a2s
