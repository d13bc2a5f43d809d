"""Golden tensors of preference_loss: the formulas with torch's logsigmoid and kl_div, autograd, float64.

    python native/rl/preference_loss/preference_loss.golden.py        # PyTorch 2.13.0, CPU; seed 35; no other input
"""
import pathlib
import sys

import torch
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "test"))
import golden

torch.manual_seed(35)
out = golden.Recorder(__file__)


def log_bernoulli(x):
    return torch.stack([F.logsigmoid(x), F.logsigmoid(-x)])


def record(case, P, spread=20.0, **attrs):
    kind, beta, eta = attrs["kind"], attrs["beta"], attrs.get("eta", 1.0)
    sums = [(-300 + spread * torch.randn(P)).double() for _ in range(4)]
    chosen, rejected = sums[0].requires_grad_(), sums[1].requires_grad_()
    h = (chosen - rejected) - (sums[2] - sums[3])
    gap = (2 * torch.rand(P)).double() if kind.startswith("rpo") else None
    e = attrs.get("label_smoothing", 0.0)
    if kind == "dpo":
        loss = -(1 - e) * F.logsigmoid(beta * h) - e * F.logsigmoid(-beta * h)
    elif kind == "ipo":
        loss = (h - 1 / (2 * beta)) ** 2
    elif kind == "rpo":
        loss = F.kl_div(log_bernoulli(beta * h), log_bernoulli(eta * gap), log_target=True, reduction="none").sum(0)
    else:
        loss = (beta * h - eta * gap) ** 2
    loss = (loss - attrs.get("sft_weight", 0.0) * chosen).mean()
    inputs = {"chosen": chosen, "rejected": rejected, "ref_chosen": sums[2], "ref_rejected": sums[3], "reward_gap": gap}
    out.record("preference_loss", case, attrs, inputs, {"loss": loss[None], "margins": (beta * h).detach()})


record("dpo", 5, kind="dpo", beta=0.1)
record("dpo, smoothed, sft", 3, kind="dpo", beta=0.05, label_smoothing=0.1, sft_weight=0.01)
record("dpo, saturated", 4, spread=400.0, kind="dpo", beta=1.0)
record("ipo", 4, kind="ipo", beta=0.02)
record("rpo", 6, kind="rpo", beta=0.05, eta=1.5)
record("rpo_sq", 4, kind="rpo_sq", beta=0.05, eta=0.7, sft_weight=0.1)
out.save()
