"""Golden tensors of squared_error, by PyTorch 2.13.

    python squared_error.golden.py
"""
import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "test"))
from golden import Recorder  # noqa: E402

torch.manual_seed(3)
recorder = Recorder(__file__)
for case, lengths in (("ragged", [11, 4, 7]), ("whole", None)):
    a, b = (torch.randn(3, 11, dtype=torch.float64).float().double().requires_grad_() for _ in range(2))
    valid = torch.ones(3, 11, dtype=torch.float64)
    if lengths:
        valid = (torch.arange(11)[None] < torch.tensor(lengths)[:, None]).double()
    loss = (((a - b) * valid) ** 2).sum() / valid.sum()
    recorder.record("squared_error", case, {}, {"a": a, "b": b, "lengths": torch.tensor(lengths, dtype=torch.int32) if lengths else None}, {"loss": loss.view(1)})
recorder.save()
