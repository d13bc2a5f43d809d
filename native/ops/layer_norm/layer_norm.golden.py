"""Golden tensors of layer_norm: PyTorch's F.layer_norm in float64, and its gradients.

    python native/ops/layer_norm/layer_norm.golden.py        # PyTorch 2.13.0, CPU; seed 7; no other input
"""
import pathlib
import sys

import torch
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "test"))
import golden

torch.manual_seed(7)
torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
out = golden.Recorder(__file__)


def record(case, *shape, eps=1e-5, mean=0.0):
    x, w = (mean + torch.randn(*shape)).requires_grad_(), (1 + torch.randn(shape[-1])).requires_grad_()
    out.record("layer_norm", case, {"eps": eps}, {"x": x, "w": w}, {"y": F.layer_norm(x, shape[-1:], w, eps=eps)})


record("odd width", 3, 5, 13)
record("large eps", 2, 36, eps=0.1)
record("far from 0", 3, 66, mean=20.0)
record("many rows", 70, 4)
out.save()
