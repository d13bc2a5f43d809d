"""Golden tensors of weight_norm, from torch.nn.utils.parametrizations.weight_norm in float64.

    python native/ops/weight_norm/weight_norm.golden.py        # PyTorch 2.13.0, CPU; seed 31; no other input

A convolution and a transposed one: the norm is over all axes but the first of the weight in both.
"""
import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "test"))
import golden

torch.manual_seed(31)
out = golden.Recorder(__file__)
for case, layer in {"conv1d": torch.nn.Conv1d(5, 7, 3), "transposed": torch.nn.ConvTranspose1d(6, 3, 4, groups=3)}.items():
    layer = torch.nn.utils.parametrizations.weight_norm(layer.double())
    norm, weight = layer.parametrizations.weight[0], layer.weight
    v = torch.randn_like(weight).flatten(1).requires_grad_()
    g = torch.randn(len(weight)).double().requires_grad_()
    w = norm(g.view(-1, 1, 1), v.view_as(weight))
    out.record("weight_norm", case, {}, {"v": v, "g": g}, {"w": w.flatten(1)})
out.save()
