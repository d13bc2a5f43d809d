"""Golden tensors of attention_scores: scores of every head, averaged, by PyTorch in float64, and its gradients.

    python native/ops/attention/attention_scores.golden.py        # PyTorch 2.13.0, CPU; seed 45; no other input
"""
import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "test"))
import golden

torch.manual_seed(45)
torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
out = golden.Recorder(__file__)

B, P, Tq, Tk, H, D = 4, 2, 3, 5, 2, 3
q, kv = torch.randn(B, Tq, H * D).requires_grad_(), torch.randn(P, Tk, 2 * H * D).requires_grad_()
keys = kv[..., : H * D].repeat_interleave(B // P, 0).view(B, Tk, H, D)
scores = torch.einsum("bihd,bjhd->bhij", q.view(B, Tq, H, D), keys) / D**0.5
out.record("attention_scores", "shared memory", {"heads": H, "group": B // P}, {"q": q, "kv": kv}, {"scores": scores.mean(1)})
out.save()
