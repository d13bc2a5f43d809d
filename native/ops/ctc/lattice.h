// The alignments of a label sequence to the frames of one item: every frame emits a label or a blank, repeats merge.
// State 2u + 1 is label u, the even states are the blanks around them; a step stays, advances by one, or skips the
// blank between two different labels. Log-probabilities of paths are f64, so that hundreds of frames lose nothing;
// what is added to their maximum at each step, at most log 3, is computed in T.
#pragma once
#include "core/op.h"

namespace a2s {

template <class T>
struct Lattice {
  const T* scores;  // [frames, width]
  const T* lse;     // [frames], log-sum-exp of each row: log-probability = score - lse
  int64_t width, frames, labels;
  const int32_t* targets = nullptr;  // label u is column targets[u] - first_target; absent: column u
  int32_t first_target = 0;
  int64_t blank = -1;  // column of the blank; -1: not a column but the constant blank_score
  T blank_score = 0;

  int64_t states() const { return 2 * labels + 1; }
  int64_t column(int64_t u) const { return targets ? targets[u] - first_target : u; }
};

/** Memory for one lattice. `rows` path rows are kept: 2 do for the loss alone, posteriors need every frame's. */
template <class T>
struct LatticeMemory {
  int64_t rows;
  double* paths;  // path log-probabilities, row t % rows for frame t
  double* work;   // two more rows
  double* skips;  // 0 where a state may be entered from two states before, else "impossible"
  T *emission, *posterior;

  LatticeMemory(const Call& c, int64_t rows, int64_t labels);
};

/** -log of the sum over all alignments; +inf when there is none. Leaves its path rows in `m`. */
double alignment_loss(const Lattice<float>& l, const LatticeMemory<float>& m);
double alignment_loss(const Lattice<double>& l, const LatticeMemory<double>& m);

/** d[frames, width] -= scale * (posterior probability that the column is emitted at the frame), from the finite loss
 *  that alignment_loss returned and every frame's path row, which it left in `m`. */
void subtract_posteriors(const Lattice<float>& l, double loss, float scale, float* d, const LatticeMemory<float>& m);
void subtract_posteriors(const Lattice<double>& l, double loss, double scale, double* d,
                         const LatticeMemory<double>& m);

}  // namespace a2s
