"""Golden tensors of token_logprobs and token_kl: full logits, autograd, float64.

    python native/ops/token_logprobs/token_logprobs.golden.py        # PyTorch 2.13.0, CPU; seed 31; no other input
"""
import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "test"))
sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "sampling"))
import distribution_reference as reference
import golden

torch.manual_seed(31)
out = golden.Recorder(__file__)


def leaf(*shape):
    return torch.randn(*shape).double().requires_grad_()


def heads(x, w, b, K):
    """[B, K, T, V]"""
    z = x @ w.T + (0 if b is None else b)
    return z.reshape(*z.shape[:2], K, -1).transpose(1, 2)


def valid(lengths, T):
    return (torch.arange(T) < torch.tensor(lengths)[:, None])[:, None, :]  # [B, 1, T]


def record(case, lengths, T, C, K, V, bias=True, guided=False, forbidden=(), **attrs):
    B = len(lengths)
    x, w, b = leaf(B, T, C), leaf(K * V, C), leaf(K * V) if bias else None
    x_uncond = leaf(B, T, C) if guided else None
    allowed = torch.ones(V, dtype=torch.int32) if forbidden else None
    for v in forbidden:
        allowed[v] = 0
    targets = torch.randint(0, V, (B, K, T), dtype=torch.int32)
    targets[torch.rand(B, K, T) < 0.15] = -1
    lp = reference.log_probs(heads(x, w, b, K), None if x_uncond is None else heads(x_uncond, w, b, K), allowed=allowed, **attrs)
    keep = valid(lengths, T) & (targets >= 0)
    own = lp.gather(-1, targets.clamp(min=0).long()[..., None])[..., 0]
    own = torch.where(own == -torch.inf, own.detach(), own)  # outside the kept set: no gradient
    zero = torch.zeros(()).double()
    outputs = {"logprobs": torch.where(keep, own, zero), "entropy": torch.where(keep, reference.entropy(lp), zero)}
    inputs = {"x": x, "w": w, "b": b, "targets": targets, "lengths": torch.tensor(lengths, dtype=torch.int32), "x_uncond": x_uncond,
              "allowed": allowed}
    out.record("token_logprobs", case, {"codebooks": K, **attrs}, inputs, outputs)


def record_kl(case, lengths, T, C, K, V, bias=True, **attrs):
    B, temperature = len(lengths), attrs.get("temperature", 1.0)
    x, w, b = leaf(B, T, C), leaf(K * V, C), leaf(K * V) if bias else None
    with torch.no_grad():
        x_ref, w_ref, b_ref = x + 0.3 * torch.randn_like(x), w + 0.3 * torch.randn_like(w), torch.randn(K * V).double() if bias else None
    p, q = (heads(*h, K).div(temperature).log_softmax(-1) for h in ((x, w, b), (x_ref, w_ref, b_ref)))
    kl = torch.nn.functional.kl_div(q, p, log_target=True, reduction="none").sum(-1)
    inputs = {"x": x, "w": w, "b": b, "x_ref": x_ref, "w_ref": w_ref, "b_ref": b_ref, "lengths": torch.tensor(lengths, dtype=torch.int32)}
    out.record("token_kl", case, {"codebooks": K, **attrs}, inputs, {"kl": torch.where(valid(lengths, T), kl, 0.0)})


record("plain", [5, 2, 4], 5, 7, 3, 11)
record("one head, no bias", [3], 4, 5, 1, 13, bias=False, temperature=0.6)
record("truncated", [4, 3], 4, 5, 2, 23, top_k=12, top_p=0.95, temperature=1.4)
record("guided", [3, 4], 4, 6, 2, 19, guided=True, forbidden=(0, 5, 18), guidance=2.5, temperature=0.8, top_k=15)
record_kl("kl", [4, 0, 3], 4, 6, 2, 17)
record_kl("kl, temperature", [2, 3], 3, 5, 3, 9, bias=False, temperature=0.7)
out.save()
