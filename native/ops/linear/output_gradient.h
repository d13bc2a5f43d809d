// The part of the backward pass that linear and conv1d_btc share.
#pragma once
#include "core/op.h"

namespace a2s {

/** Takes d y back through the activation: returns d (sum before it) [rows, O], in scratch or d y itself, and
 *  accumulates the bias gradient when it is wanted. */
template <class T>
const T* output_gradient(Call& c);

}  // namespace a2s
