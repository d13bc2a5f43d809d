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
q, k, v = torch.randn(R, H * D), torch.randn(R, Tmax, H * D), torch.randn(R, Tmax, H * D)
rows = []
for r, n in enumerate(used):
    for h in range(H):
        part = slice(h * D, (h + 1) * D)
        rows.append((k[r, :n, part] @ q[r, part] / D**0.5).softmax(0) @ v[r, :n, part])
inputs = {"q": q, "k": k, "v": v, "used": torch.tensor(used, dtype=torch.int32)}
out.record("decode_attention", "ragged", {"heads": H}, inputs, {"y": torch.stack(rows).view(R, H * D)})
out.save()
