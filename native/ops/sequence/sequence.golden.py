"""Golden tensors of concat_time and slice_time: slices of PyTorch in float64, and their gradients.

    python native/ops/sequence/sequence.golden.py        # PyTorch 2.13.0, CPU; seed 44; no other input
"""
import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "test"))
import golden

torch.manual_seed(44)
torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
out = golden.Recorder(__file__)


def leaf(*shape):
    return torch.randn(*shape).requires_grad_()


def ints(values):
    return torch.tensor(values, dtype=torch.int32)


def padded(rows, T):
    return torch.cat([rows, rows.new_zeros(T - rows.shape[0], rows.shape[1])])


def concat_time(case, a_lengths, b_lengths, Ta, Tb, C):
    a, b = leaf(len(a_lengths), Ta, C), leaf(len(b_lengths), Tb, C)
    y = torch.stack([padded(torch.cat([a[i, :m], b[i, :n]]), Ta + Tb) for i, (m, n) in enumerate(zip(a_lengths, b_lengths))])
    out.record("concat_time", case, {}, {"a": a, "a_lengths": ints(a_lengths), "b": b, "b_lengths": ints(b_lengths)}, {"y": y})


def slice_time(case, start, lengths, T, C, frames):
    x = leaf(len(start), T, C)
    y = torch.stack([padded(x[i, s : s + n], frames) for i, (s, n) in enumerate(zip(start, lengths))])
    out.record("slice_time", case, {"frames": frames}, {"x": x, "start": ints(start), "lengths": ints(lengths)}, {"y": y})


concat_time("concat, ragged", [3, 0, 2], [1, 4, 0], 3, 4, 5)
slice_time("slice, ragged", [0, 2, 5], [3, 1, 0], 5, 3, 3)
slice_time("slice, longer than the source", [0, 1], [3, 2], 3, 3, 5)
out.save()
