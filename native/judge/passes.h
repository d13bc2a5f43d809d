// Whole batches through a judge, to ask it and to train it.
#pragma once
#include <optional>

#include "judge/model.h"

namespace a2s {

/** Speech and, for training, what is true of it: the fields of the judge's kind. */
struct JudgeBatch {
  Tensor wav;             // [B, S] in [-1, 1]
  Tensor samples;         // ints [B]; absent: all S
  Tensor targets;         // ctc: ints [B, U] labels, none of them the blank 0
  Tensor target_lengths;  // ctc: ints [B] valid labels
  Tensor labels;          // speaker: ints [B]
  Tensor quality;         // quality: [B]
};

struct JudgeAnswer {
  Tensor value;   // ctc: logits [B, T, V]; speaker: embeddings [B, dim]; quality: [B]
  Tensor frames;  // ints [B] valid rows of the logits
};

/** Dropout of one step; the seed and the step decide it. */
struct JudgeStep {
  uint64_t seed = 0, step = 0;
};

struct JudgeTrained {
  double loss;
  JudgeAnswer answer;  // with this step's dropout, before anything changes
};

/** @throws Shape or Data naming the argument. */
JudgeAnswer evaluate(Tape& tape, const Judge& judge, const JudgeBatch& batch);

/** Adds weight * d loss to the gradients. ctc: items without an alignment count as 0. @throws as evaluate. */
JudgeTrained train(Tape& tape, const Judge& judge, const JudgeBatch& batch, double weight, const std::optional<JudgeStep>& noise);

}  // namespace a2s
