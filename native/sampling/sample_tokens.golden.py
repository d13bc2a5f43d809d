"""Golden tensors of sample_tokens: Philox and the inverse CDF written again in Python.

    python native/sampling/sample_tokens.golden.py        # PyTorch 2.13.0, CPU; seed 30; no other input
"""
import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "test"))
sys.path.insert(0, str(pathlib.Path(__file__).parent))
import distribution_reference as reference
import golden

torch.manual_seed(30)
out = golden.Recorder(__file__)
SAMPLING_STREAM = 3
WORD = 2**32


def philox(key, counter):
    """Philox4x32-10 of Salmon et al. 2011."""
    k, (c0, c1, c2, c3) = [key % WORD, key >> 32], counter
    for _ in range(10):
        high0, low0 = divmod(0xD2511F53 * c0, WORD)
        high1, low1 = divmod(0xCD9E8D57 * c2, WORD)
        c0, c1, c2, c3 = high1 ^ c1 ^ k[0], low1, high0 ^ c3 ^ k[1], low0
        k = [(k[0] + 0x9E3779B9) % WORD, (k[1] + 0xBB67AE85) % WORD]
    return c0, c1, c2, c3


def uniform(seed, sample, position):
    stream = SAMPLING_STREAM * 0x85EBCA6B % WORD
    w = philox(seed, (position % WORD, position >> 32, sample % WORD, (sample >> 32) ^ stream))
    return ((((w[0] << 21) ^ (w[1] >> 11)) % 2**53) + 0.5) / 2**53


def record(case, rows, vocab, sample, attrs, guided=False, forbidden=()):
    logits = (3 * torch.randn(rows, vocab)).double()  # f32 values: both precisions see the same
    if case.startswith("ties"):
        logits = logits.round()
    uncond = (3 * torch.randn(rows, vocab)).double() if guided else None
    allowed = torch.ones(vocab, dtype=torch.int32) if forbidden else None
    for v in forbidden:
        allowed[v] = 0
    shape = {k: attrs[k] for k in ("guidance", "temperature", "top_k", "top_p") if k in attrs}
    greedy = attrs.get("temperature") == 0
    lp = reference.log_probs(logits, uncond, allowed=allowed, **{**shape, "temperature": 1.0} if greedy else shape)
    if greedy:
        tokens, logprobs, entropy = lp.argmax(-1), torch.zeros(rows).double(), torch.zeros(rows).double()
    else:
        per, cdf = attrs.get("rows_per_sample", 1), lp.exp().cumsum(-1)
        u = [uniform(attrs["seed"], sample[r], attrs["position"] * per + r % per) for r in range(rows)]
        tokens = (cdf > torch.tensor(u).double()[:, None] * cdf[:, -1:]).int().argmax(-1)
        logprobs, entropy = lp.gather(-1, tokens[:, None])[:, 0], reference.entropy(lp)
    inputs = {"logits": logits, "uncond": uncond, "allowed": allowed, "sample": torch.tensor(sample, dtype=torch.int32)}
    out.record("sample_tokens", case, attrs, inputs, {"tokens": tokens.int(), "logprobs": logprobs, "entropy": entropy})


record("plain", 6, 37, [4, 4, 4, 9, 9, 9], {"seed": 12345678901, "position": 7, "rows_per_sample": 3})
record("top-k", 5, 101, [0, 1, 2, 3, 4], {"seed": 1, "position": 0, "top_k": 8, "temperature": 0.7})
record("ties at top-k", 5, 67, [0, 1, 2, 3, 4], {"seed": 2, "position": 3, "top_k": 9})
record("top-p", 5, 70, [5, 6, 7, 8, 9], {"seed": 3, "position": 4294967290, "top_p": 0.6})
record("ties at top-p", 5, 67, [5, 6, 7, 8, 9], {"seed": 3, "position": 1, "top_p": 0.7, "temperature": 2.0})
record("everything", 6, 83, [2, 2, 5, 5, 8, 8], {"seed": 9, "position": 2, "rows_per_sample": 2, "top_k": 30, "top_p": 0.9,
       "temperature": 1.3, "guidance": 2.5}, guided=True, forbidden=(0, 7, 80))
record("greedy", 4, 33, [0, 1, 2, 3], {"temperature": 0, "guidance": 1.7}, guided=True, forbidden=(3,))
out.save()
