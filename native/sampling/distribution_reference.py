"""The sampling distribution written once more, by sorting, for the golden files of sample_tokens and token_logprobs."""
import torch


def log_probs(logits, uncond=None, guidance=1.0, allowed=None, temperature=1.0, top_k=0, top_p=1.0):
    """[..., V] log-probabilities, -inf outside the kept set. Ties at a limit are kept."""
    z = logits if uncond is None else guidance * logits + (1 - guidance) * uncond
    if allowed is not None:
        z = z.masked_fill(allowed == 0, -torch.inf)
    z = z / temperature
    if 0 < top_k < z.shape[-1]:
        z = z.masked_fill(z < z.topk(top_k).values[..., -1:], -torch.inf)
    if top_p < 1:
        ordered = z.sort(descending=True).values
        p = ordered.softmax(-1)
        count = (p.cumsum(-1) - p < top_p).sum(-1, keepdim=True)  # ids whose predecessors do not reach top_p
        z = z.masked_fill(z < ordered.gather(-1, count - 1), -torch.inf)
    return z.log_softmax(-1)


def entropy(lp):
    return -(lp.exp() * lp.masked_fill(lp == -torch.inf, 0)).sum(-1)
