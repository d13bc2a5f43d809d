"""Golden tensors of conv1d, conv2d and conv_transpose1d, from torch.nn.functional in float64.

    python native/ops/conv/conv.golden.py        # PyTorch 2.13.0, CPU; seed 30; no other input
"""
import pathlib
import sys

import torch
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "test"))
import golden

torch.manual_seed(30)
out = golden.Recorder(__file__)


def leaf(*shape):
    return torch.randn(*shape, dtype=torch.float64).requires_grad_()


def masked(y, lengths):
    if lengths is None:
        return y
    return y * (torch.arange(y.shape[-1])[None] < lengths[:, None])[:, None]


def conv1d(case, x, w, b, lengths=None, residual=False, **a):
    lengths = None if lengths is None else torch.tensor(lengths, dtype=torch.int32)
    inputs = {"x": leaf(*x), "w": leaf(*w), "b": leaf(w[0]) if b else None, "lengths": lengths}
    mode = a.get("pad_mode", "zero")
    padded = F.pad(inputs["x"], (a.get("pad_left", 0), a.get("pad_right", 0)), mode="constant" if mode == "zero" else mode)
    y = F.conv1d(padded, inputs["w"], inputs["b"], a.get("stride", 1), 0, a.get("dilation", 1), a.get("groups", 1))
    if residual:
        inputs["residual"] = leaf(*y.shape)
        y = y + inputs["residual"]
    out.record("conv1d", case, a, inputs, {"y": masked(y, lengths)})


def conv2d(case, x, w, b, **a):
    inputs = {"x": leaf(*x), "w": leaf(*w), "b": leaf(w[0]) if b else None}
    pair = lambda name, least: (a.get(name + "_h", least), a.get(name + "_w", least))
    (above, left), mode = pair("pad", 0), a.get("pad_mode", "zero")
    padded = F.pad(inputs["x"], (left, left, above, above), mode="constant" if mode == "zero" else mode)
    y = F.conv2d(padded, inputs["w"], inputs["b"], pair("stride", 1), 0, pair("dilation", 1))
    out.record("conv2d", case, a, inputs, {"y": y})


def conv_transpose1d(case, x, w, b, lengths=None, **a):
    lengths = None if lengths is None else torch.tensor(lengths, dtype=torch.int32)
    groups = a.get("groups", 1)
    inputs = {"x": leaf(*x), "w": leaf(*w), "b": leaf(w[1] * groups) if b else None, "lengths": lengths}
    y = F.conv_transpose1d(inputs["x"], inputs["w"], inputs["b"], a.get("stride", 1), groups=groups)
    y = y[..., a.get("trim_left", 0) : y.shape[-1] - a.get("trim_right", 0)]
    out.record("conv_transpose1d", case, a, inputs, {"y": masked(y, lengths)})


conv1d("conv1d, causal, ragged", (3, 3, 17), (7, 3, 3), True, [17, 0, 11], dilation=3, pad_left=6)
conv1d("conv1d, strided, replicate", (2, 2, 20), (3, 2, 8), True, [5, 3], stride=4, pad_left=2, pad_right=2, pad_mode="replicate")
conv1d("conv1d, reflect", (1, 2, 13), (3, 2, 5), False, pad_left=4, pad_right=3, pad_mode="reflect")
conv1d("conv1d, grouped", (2, 6, 7), (9, 2, 2), True, groups=3, dilation=2, stride=2, pad_left=1, pad_right=4)
conv1d("conv1d, 13 of 5 channels", (1, 5, 11), (13, 5, 3), True, pad_left=2)
conv2d("conv2d, spectrogram", (2, 2, 4, 9), (3, 2, 3, 9), True, stride_w=2, pad_h=1, pad_w=4)
conv2d("conv2d, uneven", (1, 2, 9, 8), (3, 2, 2, 3), False, stride_h=3, stride_w=2, pad_h=1, pad_w=2, dilation_h=2, dilation_w=2)
conv2d("conv2d, reflected", (1, 2, 4, 7), (2, 2, 3, 5), True, stride_w=2, pad_h=1, pad_w=2, pad_mode="reflect")
conv_transpose1d("transpose, two inputs a group", (2, 6, 4), (6, 1, 8), True, [16, 9], stride=4, groups=3, trim_right=4)
conv_transpose1d("transpose, dense", (1, 3, 5), (3, 4, 7), True, stride=3, trim_left=2, trim_right=1)
conv_transpose1d("transpose, products", (2, 6, 5), (6, 9, 7), True, [14, 8], stride=3, groups=2, trim_left=2, trim_right=1)
conv1d("conv1d, residual", (2, 5, 11), (5, 5, 3), True, [11, 4], residual=True, dilation=2, pad_left=4)
conv_transpose1d("transpose, more phases than are summed at a time", (2, 6, 5), (6, 2, 25), True, [61, 20], stride=11, groups=2, trim_left=5, trim_right=3)
conv_transpose1d("transpose, stride 2", (1, 4, 7), (4, 1, 4), True, stride=2, groups=2, trim_right=2)
out.save()
