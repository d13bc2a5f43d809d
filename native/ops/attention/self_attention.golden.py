"""Golden tensors of self_attention: softmax and einsum of PyTorch in float64, and its gradients.

    python native/ops/attention/self_attention.golden.py        # PyTorch 2.13.0, CPU; seed 40; no other input
"""
import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "test"))
import golden

torch.manual_seed(40)
torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
out = golden.Recorder(__file__)


def self_attention(case, B, T, D, lengths=None, **a):
    H = a["heads"]
    qkv = torch.randn(B, T, 3 * H * D).requires_grad_()
    q, k, v = (part.view(B, T, H, D) for part in qkv.chunk(3, -1))
    scores = torch.einsum("bihd,bjhd->bhij", q, k) / D**0.5
    if a.get("causal"):
        scores = scores.masked_fill(torch.ones(T, T, dtype=torch.bool).triu(1), -torch.inf)
    lengths = None if lengths is None else torch.tensor(lengths, dtype=torch.int32)
    valid = torch.ones(B, T, dtype=torch.bool) if lengths is None else torch.arange(T)[None] < lengths[:, None]
    keep = valid[:, None, :, None]
    if a.get("mask", "outer") == "outer":
        keep = keep & valid[:, None, None, :]
    # A masked row has nothing to normalise: any finite row will do, it is zeroed below.
    scores = scores.masked_fill(~keep & valid[:, None, :, None], -torch.inf)
    probs = scores.softmax(-1).masked_fill(~keep, 0.0)
    y = torch.einsum("bhij,bjhd->bihd", probs, v).reshape(B, T, H * D)
    out.record("self_attention", case, a, {"qkv": qkv, "lengths": lengths}, {"y": y})


self_attention("outer, causal, ragged", 3, 5, 5, [5, 0, 3], heads=2, causal=True)
self_attention("outer, ragged", 2, 4, 3, [3, 4], heads=2)
self_attention("query, ragged", 2, 4, 3, [4, 2], heads=2, mask="query")
self_attention("query, causal, ragged", 2, 4, 3, [4, 3], heads=1, mask="query", causal=True)
self_attention("width 24", 1, 4, 24, heads=1)
self_attention("width 64", 1, 3, 64, [2], heads=1, causal=True)
out.save()
