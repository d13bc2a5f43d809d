"""Golden tensors of cross_attention and attention_probs: softmax and products of PyTorch in float64, and its gradients.

    python native/ops/attention/cross_attention.golden.py        # PyTorch 2.13.0, CPU; seed 41; no other input
"""
import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "test"))
import golden

torch.manual_seed(41)
torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
out = golden.Recorder(__file__)
TINY = torch.finfo(torch.float32).tiny


def below(lengths, n):
    return torch.arange(n)[None] < lengths[:, None]


def ints(values):
    return None if values is None else torch.tensor(values, dtype=torch.int32)


def split(q, kv, heads, group):
    """Per sample: queries, keys and values as [B, H, T, D]."""
    per_head = lambda x: x.unflatten(-1, (heads, -1)).transpose(1, 2)
    k, v = kv.repeat_interleave(group, 0).chunk(2, -1)
    return per_head(q), per_head(k), per_head(v)


def probabilities(q, k, rows, keys, prior, a):
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    hidden = ~keys[:, None, None, :]
    scores = scores.masked_fill(hidden, -torch.inf)
    mode = a.get("prior_mode", "none")
    if mode == "training":
        scores = scores.log_softmax(-1) + (prior + a.get("prior_eps", TINY)).log()[:, None]
        if a.get("strict"):
            scores = scores.clamp(min=torch.tensor(TINY).log().item())
        scores = scores.masked_fill(hidden, -torch.inf)
    probs = scores.softmax(-1)
    if mode == "inference":
        probs = probs * (prior + TINY)[:, None]
        probs = probs / probs.sum(-1, keepdim=True)
    return probs.masked_fill(~rows[:, None, :, None], 0.0)


def cross_attention(case, B, Tq, Tk, D, q_lengths=None, kv_lengths=None, prior=None, spread=1.0, op="cross_attention", tolerances={}, **a):
    H, group = a["heads"], a.get("group", 1)
    P = B // group
    q, kv = (spread * torch.randn(B, Tq, H * D)).requires_grad_(), torch.randn(P, Tk, 2 * H * D).requires_grad_()
    q_lengths, kv_lengths = ints(q_lengths), ints(kv_lengths)
    rows = torch.ones(B, Tq, dtype=torch.bool) if q_lengths is None else below(q_lengths, Tq)
    keys = torch.ones(B, Tk, dtype=torch.bool) if kv_lengths is None else below(kv_lengths, Tk).repeat_interleave(group, 0)
    heads_q, heads_k, heads_v = split(q, kv, H, group)
    probs = probabilities(heads_q, heads_k, rows, keys, prior, a)
    inputs = {"q": q, "kv": kv, "q_lengths": q_lengths, "kv_lengths": kv_lengths, "prior": prior}
    if op == "attention_probs":
        inputs.update(q=q.detach(), kv=kv.detach())
        out.record(op, case, a, inputs, {"probs": probs.detach()})
    else:
        out.record(op, case, a, inputs, {"y": (probs @ heads_v).transpose(1, 2).flatten(2)}, **tolerances)


def steep_rows(B, Tq, Tk):
    """A context row of zeros, a row around FLT_MIN, of which some is clamped, then peaked rows that fall below the clamp."""
    distance = (torch.arange(Tk)[None] - torch.arange(Tq)[:, None]).abs()
    prior = torch.exp(-14.0 * distance**2)
    prior[0], prior[1] = 0.0, 1e-36 * torch.rand(Tk)
    return prior.expand(B, -1, -1).contiguous()


cross_attention("ragged", 2, 3, 4, 5, [3, 2], [2, 4], heads=2)
cross_attention("shared memory", 4, 3, 4, 3, [3, 0, 2, 3], [4, 2], heads=2, group=2)
cross_attention("width 128", 1, 1, 2, 128, heads=1)
cross_attention("training prior", 2, 3, 4, 3, [3, 2], [4, 3], torch.rand(2, 3, 4), heads=2, prior_mode="training", prior_eps=1e-8)
cross_attention("training prior, loose", 2, 4, 4, 3, [4, 3], [4], steep_rows(2, 4, 4), heads=1, group=2, prior_mode="training")
cross_attention("training prior, strict", 2, 4, 6, 3, [4, 3], [6], steep_rows(2, 4, 6), heads=2, group=2, prior_mode="training",
                strict=True, tolerances={"tolerance": 5e-5})
cross_attention("inference prior", 2, 3, 5, 3, [3, 2], [5, 4], 0.1 + 0.9 * torch.rand(2, 3, 5).round(), heads=2, prior_mode="inference")
cross_attention("probs, inference prior", 2, 3, 5, 3, [3, 2], [4], 0.1 + 0.9 * torch.rand(2, 3, 5).round(), op="attention_probs", heads=2,
                group=2, prior_mode="inference")
cross_attention("probs, strict prior", 1, 4, 6, 3, [4], [5], steep_rows(1, 4, 6), op="attention_probs", heads=1, prior_mode="training",
                strict=True)
out.save()
