"""Golden tensors of ctc_loss and forward_sum_loss, from torch.nn.functional.ctc_loss in float64.

    python native/ops/ctc/ctc.golden.py        # PyTorch 2.13.0, CPU; seed 33; no other input
"""
import pathlib
import sys

import torch
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "test"))
import golden

torch.manual_seed(33)
out = golden.Recorder(__file__)


def ints(values):
    return torch.tensor(values, dtype=torch.int32)


def record(case, V, targets, input_lengths, target_lengths, blank=0, zero_infinity=False, scale=2.0):
    T = max(input_lengths)
    logits = (scale * torch.randn(len(targets), T, V)).double().requires_grad_()
    lp = logits.log_softmax(-1).transpose(0, 1)
    args = (lp, torch.tensor(targets), torch.tensor(input_lengths), torch.tensor(target_lengths), blank)
    loss, per_item = (F.ctc_loss(*args, reduction=r, zero_infinity=zero_infinity) for r in ("mean", "none"))
    inputs = {"logits": logits, "targets": ints(targets), "input_lengths": ints(input_lengths), "target_lengths": ints(target_lengths)}
    out.record("ctc_loss", case, {"blank": blank, "zero_infinity": int(zero_infinity)}, inputs, {"loss": loss[None], "per_item": per_item})


def record_forward_sum(case, N, input_lengths, text_lengths, targets=None, blank_score=-1.0):
    B, T = len(input_lengths), max(input_lengths)
    scores = (3 * torch.randn(B, T, N)).double().requires_grad_()
    padded = F.pad(scores, (1, 0), value=blank_score)
    beyond = torch.arange(N + 1) > torch.tensor(text_lengths)[:, None]
    lp = padded.masked_fill(beyond[:, None], -1e15).log_softmax(-1).transpose(0, 1)
    labels = torch.arange(1, N + 1).expand(B, -1) if targets is None else torch.tensor(targets)
    counts = text_lengths if targets is None else [sum(t > 0 for t in row) for row in targets]
    loss = F.ctc_loss(lp, labels, torch.tensor(input_lengths), torch.tensor(counts), zero_infinity=True)
    inputs = {"scores": scores, "input_lengths": ints(input_lengths), "target_lengths": ints(counts),
              "targets": None if targets is None else ints(targets)}
    out.record("forward_sum_loss", case, {"blank_score": blank_score}, inputs, {"loss": loss[None]})


# repeats, no labels at all, a full-length item
record("ragged", 7, [[1, 1, 4, 6], [2, 0, 0, 0], [0, 0, 0, 0], [6, 3, 2, 5]], [9, 6, 5, 7], [4, 1, 0, 4])
record("last label is blank", 5, [[0, 3, 3, 1, 0], [1, 0, 2, 2, 2]], [8, 11], [5, 5], blank=4)
# the second item cannot be aligned: 3 equal labels need 5 frames
record("zero infinity", 4, [[1, 2, 1], [3, 3, 3]], [6, 4], [3, 3], zero_infinity=True)
record("long", 6, [[1, 2, 3, 4, 5] * 6], [140], [30], scale=4.0)
record_forward_sum("whole text", 9, [14, 11, 9], [9, 4, 6])
record_forward_sum("too few frames", 8, [12, 5], [6, 8], blank_score=-0.5)
record_forward_sum("lead bytes", 10, [13, 12], [10, 6], targets=[[1, 2, 4, 7, 10], [1, 3, 6, 0, 0]])
out.save()
