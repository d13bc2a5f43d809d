"""Golden tensors of the elementwise ops: PyTorch in float64, and its gradients. Dropout has none: its mask is our RNG's.

    python native/ops/elementwise/elementwise.golden.py        # PyTorch 2.13.0, CPU; seed 42; no other input
"""
import pathlib
import sys

import torch
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "test"))
import golden

torch.manual_seed(42)
torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
out = golden.Recorder(__file__)


def leaf(*shape, spread=1.0):
    return (spread * torch.randn(*shape)).requires_grad_()


def one(op, function, x, **attrs):
    out.record(op, op, attrs, {"x": x}, {"y": function(x)})


def masked(op, x, lengths, axis):
    lengths = torch.tensor(lengths, dtype=torch.int32)
    keep = (torch.arange(x.shape[axis])[None] < lengths[:, None]).unsqueeze(3 - axis)
    out.record(op, op, {}, {"x": x, "lengths": lengths}, {"y": x.masked_fill(~keep, 0.0)})


a, b = leaf(2, 3, 5), leaf(2, 3, 5)
out.record("add", "add", {}, {"a": a, "b": b}, {"y": a + b})
one("scale", lambda x: x * -2.5, leaf(3, 5), factor=-2.5)
one("gelu", lambda x: F.gelu(x, approximate="tanh"), leaf(5, 17, spread=3.0))
one("tanh", torch.tanh, leaf(5, 17, spread=3.0))
one("clamp", lambda x: x.clamp(-0.5, 1.5), leaf(3, 17, spread=2.0), low=-0.5, high=1.5)
one("transpose", lambda x: x.transpose(1, 2), leaf(2, 3, 5))
masked("mask_rows", leaf(3, 4, 5), [4, 0, 3], 1)
masked("mask_time", leaf(3, 5, 4), [4, 0, 3], 2)
out.save()
