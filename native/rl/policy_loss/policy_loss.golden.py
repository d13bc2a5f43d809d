"""Golden tensors of policy_loss: the formulas as tensor expressions, the gradient by autograd in float64.

    python native/rl/policy_loss/policy_loss.golden.py        # PyTorch 2.13.0, CPU; seed 34; no other input
"""
import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "test"))
import golden

torch.manual_seed(34)
out = golden.Recorder(__file__)


def estimate_kl(kind, lp, ref):
    d = ref - lp
    return {"k1": lambda: -d, "k2": lambda: d**2 / 2, "k3": lambda: d.exp() - d - 1}[kind]()


def record(case, lengths, K, T, advantages, old=True, mask=False, entropy=False, frames=False, **attrs):
    B, kind, kl_kind = len(lengths), attrs["kind"], attrs.get("kl", "none")
    lp = (-4 * torch.rand(B, K, T)).double().requires_grad_()
    old_lp = (lp.detach() + 0.4 * torch.randn(B, K, T)).double() if old else None
    ref = (lp.detach() + 0.5 * torch.randn(B, K, T)).double() if kl_kind in ("k1", "k2", "k3") else None
    kl_in = torch.rand(B, K, T).double().requires_grad_() if kl_kind == "exact" else None
    ent = (2 * torch.rand(B, K, T)).double().requires_grad_() if entropy else None
    m = torch.arange(T) < torch.tensor(lengths)[:, None]
    frame_mask = (torch.rand(B, T) < 0.7).int() if mask else None
    if mask:
        frame_mask[-1] = 0  # a sample that is masked altogether
        m = m & (frame_mask != 0)
    m = m.double()[:, None, :].expand(B, K, T)
    A = torch.tensor(advantages).double()
    frame_A = torch.randn(B, T).double() if frames else None
    if frames:
        frame_A[:, 0] = -A  # an advantage of exactly 0

    log_ratio = lp - (old_lp if old else lp.detach())
    if kind == "gspo":
        n = m.sum((1, 2), keepdim=True).clamp(min=1)
        log_ratio = ((log_ratio * m).sum((1, 2), keepdim=True) / n).expand(B, K, T)
    r = log_ratio.exp()
    low = 1 - attrs["clip_low"] if attrs.get("clip_low") else -torch.inf
    high = 1 + attrs["clip_high"] if attrs.get("clip_high") else torch.inf
    advantage = A[:, None, None] + (frame_A[:, None] if frames else 0)
    surrogate = torch.minimum(r * advantage, r.clamp(low, high) * advantage)
    kl = torch.zeros_like(lp) if kl_kind == "none" else kl_in if kl_kind == "exact" else estimate_kl(kl_kind, lp, ref)
    ent_term = ent if entropy else torch.zeros_like(lp)
    token = -surrogate + attrs.get("kl_weight", 0) * kl - attrs.get("entropy_weight", 0) * ent_term
    token = token * m * (advantage != 0)
    if kind in ("grpo", "gspo"):
        per_item = [token[b].sum() / (K * m[b, 0].sum()) if m[b].any() else token[b].sum() for b in range(B)]
        loss = sum(per_item) / B
    elif kind == "dr_grpo":
        loss = token.sum() / (B * K * attrs["max_frames"])
    else:
        loss = token.sum() / m.sum()

    n = m.sum()
    mean = lambda x: (x * m).sum() / n
    clipped = r.clamp(low, high) * advantage < r * advantage
    stats = [mean(r), ((lp - (old_lp if old else lp)).abs() * m).max(), mean((clipped & (r < low)).double()),
             mean((clipped & (r > high)).double()), mean(kl), mean(ent_term), n, torch.zeros(())]
    inputs = {"logprobs": lp, "advantages": A, "lengths": torch.tensor(lengths, dtype=torch.int32), "old_logprobs": old_lp,
              "ref_logprobs": ref, "entropy": ent, "kl": kl_in, "mask": frame_mask, "frame_advantages": frame_A}
    out.record("policy_loss", case, attrs, inputs, {"loss": loss[None], "stats": torch.stack([s.detach().double() for s in stats])})


record("grpo on policy", [5, 3, 6], 2, 6, [0.7, -1.2, 0.5], old=False, kind="grpo")
record("grpo clipped, k3", [5, 3, 6, 4], 2, 6, [0.7, -1.2, 0.5, 0.0], kind="grpo", clip_low=0.2, clip_high=0.28, kl="k3", kl_weight=0.1)
record("dr_grpo, k2, entropy", [4, 6, 2], 3, 6, [1.1, -0.4, -0.7], mask=True, entropy=True, kind="dr_grpo", max_frames=9, clip_low=0.1,
       clip_high=0.1, kl="k2", kl_weight=0.05, entropy_weight=0.01)
record("dapo, one-sided clip, k1", [4, 6, 2], 2, 6, [1.1, -0.4, -0.7], mask=True, kind="dapo", clip_high=0.2, kl="k1", kl_weight=0.3)
record("gspo, exact kl", [4, 6, 2, 5], 2, 6, [1.1, -0.4, -0.7, 0.9], mask=True, entropy=True, kind="gspo", clip_low=0.05, clip_high=0.05,
       kl="exact", kl_weight=0.2, entropy_weight=0.02)
record("gspo on policy", [3, 5], 3, 5, [0.5, -0.5], old=False, kind="gspo")
record("grpo, frame advantages, clipped", [5, 0, 6, 3], 2, 6, [0.7, 0.2, -0.5, 0.0], mask=True, entropy=True, frames=True, kind="grpo",
       clip_low=0.2, clip_high=0.28, entropy_weight=0.02)
record("dapo, frame advantages", [4, 6, 2], 3, 6, [1.1, -0.4, -0.7], old=False, frames=True, kind="dapo")
out.save()
