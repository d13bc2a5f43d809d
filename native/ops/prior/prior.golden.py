"""Golden tensors of beta_binomial_prior, from log-gamma functions in float64.

    python native/ops/prior/prior.golden.py        # PyTorch 2.13.0, CPU; no random input
"""
import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "test"))
import golden

out = golden.Recorder(__file__)


def log_beta(a, b):
    return torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b)


def beta_binomial(M, N, scaling):
    """[M, N]"""
    y, x, n = torch.arange(1.0, M + 1).double()[:, None], torch.arange(0.0, N).double()[None], torch.tensor(N - 1.0).double()
    a, b = scaling * y, scaling * (M + 1 - y)
    choose = torch.lgamma(n + 1) - torch.lgamma(x + 1) - torch.lgamma(n - x + 1)
    return (choose + log_beta(x + a, n - x + b) - log_beta(a, b)).exp()


def record(case, frames, text, prefix=None, **attrs):
    prior = torch.zeros(len(frames), attrs["max_frames"], attrs["max_text"]).double()
    for b, (m, n) in enumerate(zip(frames, text)):
        p, first = beta_binomial(m, n, attrs.get("scaling", 0.5)), prefix[b] if prefix else 0
        prior[b, first : first + m, :n] = p + (1 - p) * attrs.get("blend", 0.0)
    inputs = {"frames": torch.tensor(frames, dtype=torch.int32), "text_lengths": torch.tensor(text, dtype=torch.int32),
              "prefix": None if prefix is None else torch.tensor(prefix, dtype=torch.int32)}
    # no floating-point input: the output is f32 whatever the test asks for
    out.record("beta_binomial_prior", case, attrs, inputs, {"prior": prior}, tolerance64=1e-6)


record("ragged", [7, 1, 12], [5, 3, 1], max_frames=12, max_text=5)
record("prefix", [6, 9], [8, 4], prefix=[3, 0], max_frames=10, max_text=9, blend=0.25)
record("sharp", [11], [13], max_frames=11, max_text=13, scaling=3.0)
record("long text", [9], [300], max_frames=9, max_text=300, scaling=60.0)
out.save()
