"""Golden tensors of linear and conv1d_btc: torch.nn.functional in float64 and its gradients.

    python native/ops/linear/linear.golden.py        # PyTorch 2.13.0, CPU; seed 31; no other input
"""
import pathlib
import sys

import torch
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "test"))
import golden

torch.manual_seed(31)
torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
out = golden.Recorder(__file__)


def tensor(*shape, scale=1.0):
    return (scale * torch.randn(*shape)).requires_grad_()


def activate(y, attrs):
    return F.gelu(y, approximate="tanh") if attrs.get("act") == "gelu" else y


def linear(case, lead, C, O, bias=True, **attrs):
    x, w, b = tensor(*lead, C), tensor(O, C, scale=C**-0.5), tensor(O) if bias else None
    out.record("linear", case, attrs, {"x": x, "w": w, "b": b}, {"y": activate(F.linear(x, w, b), attrs)})


def conv(case, B, T, C, O, k, bias=True, **attrs):
    x, w, b = tensor(B, T, C), tensor(O, C, k, scale=(C * k) ** -0.5), tensor(O) if bias else None
    span = (k - 1) * attrs.get("dilation", 1)
    pads = (span, 0) if attrs.get("causal") else (span // 2, span // 2)
    y = F.conv1d(F.pad(x.transpose(1, 2), pads), w, b, dilation=attrs.get("dilation", 1)).transpose(1, 2)
    out.record("conv1d_btc", case, attrs, {"x": x, "w": w, "b": b}, {"y": activate(y, attrs)})


linear("linear", (2, 5), 11, 13)
linear("linear, GELU, no bias", (7,), 19, 6, bias=False, act="gelu")
linear("linear, GELU", (3, 2), 5, 17, act="gelu")
conv("causal", 2, 7, 5, 6, 3, causal=True)
conv("symmetric, GELU", 2, 9, 4, 5, 5, act="gelu")
conv("dilated, causal, GELU, no bias", 2, 8, 3, 7, 4, bias=False, causal=True, dilation=2, act="gelu")
conv("dilated, symmetric", 1, 10, 3, 4, 3, dilation=3)
conv("one tap", 2, 3, 6, 5, 1)
out.save()
