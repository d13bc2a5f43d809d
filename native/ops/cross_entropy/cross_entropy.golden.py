"""Golden tensors of codebook_cross_entropy and sequence_logprob, from the definitions and autograd in float64.

    python native/ops/cross_entropy/cross_entropy.golden.py        # PyTorch 2.13.0, CPU; seed 32; no other input
"""
import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "test"))
import golden

torch.manual_seed(32)
out = golden.Recorder(__file__)


def record(case, lengths, K, T, masked):
    lp = (-3 * torch.rand(len(lengths), K, T)).double().requires_grad_()
    keep = (torch.arange(T) < torch.tensor(lengths)[:, None])[:, None].expand(-1, K, -1)
    mask = (torch.rand(lp.shape) < 0.6).int() if masked else None
    if masked:
        mask[:, -1] = 0  # a codebook that nobody scores
        keep = keep & (mask != 0)
    per_codebook = [-(lp[:, k][keep[:, k]]).mean() if keep[:, k].any() else torch.zeros(()).double() for k in range(K)]
    inputs = {"logprobs": lp, "lengths": torch.tensor(lengths, dtype=torch.int32), "mask": mask}
    out.record("codebook_cross_entropy", case, {}, inputs, {"loss": torch.stack(per_codebook).mean()[None]})


def record_sum(case, lengths, K, T):
    lp = (-3 * torch.rand(len(lengths), K, T)).double().requires_grad_()
    y = torch.stack([item[:, :n].sum() for item, n in zip(lp, lengths)])
    out.record("sequence_logprob", case, {}, {"logprobs": lp, "lengths": torch.tensor(lengths, dtype=torch.int32)}, {"y": y})


record("lengths", [5, 0, 3], 3, 5, False)
record("mask", [4, 7], 4, 7, True)
record_sum("sum", [5, 0, 2], 3, 6)
out.save()
