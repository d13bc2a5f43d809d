"""Golden tensors of decode_attention: one softmax a sample and head, by PyTorch in float64.

    python native/ops/attention/decode_attention.golden.py        # PyTorch 2.13.0, CPU; seed 46; no other input
"""
import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "test"))
import golden

torch.manual_seed(46)
torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
out = golden.Recorder(__file__)

R, Tmax, H, D, used = 3, 5, 2, 3, [5, 1, 4]
q, k, v = torch.randn(R, H, D), torch.randn(R, H, Tmax, D), torch.randn(R, H, Tmax, D)
y = torch.stack([(k[r, :, :n] @ q[r, :, :, None] / D**0.5).softmax(1).mT @ v[r, :, :n] for r, n in enumerate(used)])
inputs = {"q": q, "k": k, "v": v, "used": torch.tensor(used, dtype=torch.int32)}
out.record("decode_attention", "ragged", {}, inputs, {"y": y.view(R, H, D)})
out.save()
