"""Golden tensors of resample: the formula as a dense matrix in float64, with torch's sinc and i0, and autograd.

    python native/ops/resample/resample.golden.py        # PyTorch 2.13.0, CPU; seed 21; no other input
"""
import math
import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "test"))
import golden

torch.manual_seed(21)
recorder = golden.Recorder(__file__)


def matrix(samples, a):
    """[So, S]: row j holds h(j from / to - i)."""
    outputs = math.ceil(samples * a["to"] / a["from"])
    cutoff = a["rolloff"] * min(1.0, a["to"] / a["from"])
    j, i = torch.arange(outputs, dtype=torch.float64)[:, None], torch.arange(samples, dtype=torch.float64)[None, :]
    t = cutoff * (j * a["from"] / a["to"] - i)
    inside = (1 - (t / a["zeros"]) ** 2).clamp(min=0)
    kaiser = torch.special.i0(a["beta"] * inside.sqrt()) / torch.special.i0(torch.tensor(a["beta"], dtype=torch.float64))
    return cutoff * torch.sinc(t) * torch.where(inside > 0, kaiser, 0.0)


def record(case, attrs, samples, lengths):
    x = torch.randn(len(lengths), samples, dtype=torch.float64, requires_grad=True)
    items = [matrix(n, attrs) @ row[:n] for row, n in zip(x, lengths)]
    outputs = math.ceil(samples * attrs["to"] / attrs["from"])
    y = torch.stack([torch.nn.functional.pad(i, (0, outputs - len(i))) for i in items])
    recorder.record("resample", case, attrs, {"x": x, "lengths": torch.tensor(lengths, dtype=torch.int32)}, {"y": y})


record("22050 to 16000", {"from": 22050, "to": 16000, "zeros": 64, "beta": 11.5, "rolloff": 0.945}, 210, [210, 0, 101])
record("16000 to 22050", {"from": 16000, "to": 22050, "zeros": 9, "beta": 6.0, "rolloff": 0.9}, 120, [120, 55])
record("48000 to 8000", {"from": 48000, "to": 8000, "zeros": 5, "beta": 8.0, "rolloff": 0.85}, 200, [200])

recorder.save()
