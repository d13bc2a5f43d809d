#!/usr/bin/env python3
"""Golden tensors of variants of the text-to-codes model, from an implementation of its own in PyTorch.

    python tts.golden.py           writes golden-<variant>/{README.json,weights,io,grads}.safetensors beside this file

Made with Python 3.11, PyTorch 2.13.0 (CPU), safetensors. Deterministic: every variant draws from its own seed. Weights are
random, rounded to float32 and run in float64; results are stored as float32 (losses as float64).
It says everything with dense masks and one item after another where it can; nothing here is shared with the C++ code.
Generation is greedy and computes every step from the beginning.
"""

import json
import math
import pathlib

import torch
import torch.nn.functional as F
from golden_model import TINY, Model, audio_sequence, generate_greedily, lengths_mask
from safetensors.torch import save_file

BASE = dict(
    model_type="decoder_ce", d_model=12, d_ffn=20, heads=3, xa_heads=1, xa_d_head=10, encoder_layers=2, context_layers=1,
    decoder_layers=3, encoder_kernel=3, context_kernel=3, decoder_kernel=1, encoder_causal=True, apply_norm_to_cond=True,
    mask_convention="outer", transcript_decoder_layers=[], context_decoder_layers=[], codebooks=3, vocab=19, codes=14,
    frame_stacking=1, bos=14, eos=15, context_bos=16, context_eos=17, mask=18, text_rows=23, max_positions=40,
    local_transformer=None, group=1, unconditional=None, prior=None, alignment_layers=None,
    # Prompts of one length where the masks let padding matter: these are generated one at a time.
    generate=dict(text_len=[9, 9], context_len=[4, 2], guidance=2.0, min_frames=4, max_frames=16, local=False, prior=None),
)  # fmt: skip
VARIANTS = {
    "koel": dict(
        what="first era: prompt codes in front of the audio, masks on queries only, non-causal encoder, decoder kernel 3",
        model_type="decoder_context", context_layers=0, mask_convention="query", encoder_causal=False, decoder_kernel=3,
        xa_heads=3, xa_d_head=4, bos=17, eos=18, context_bos=15, context_eos=16, mask=14,
        text_len=[9, 4, 7], codes_len=[6, 11, 3], context_len=[5, 2, 3], advantages=[0.5, -1.25, 0.25],
    ),
    "multi": dict(
        what="two memories: text for some decoder layers, the encoded voice prompt for the others; groups of two; memories not normalised",
        model_type="multi_encoder", transcript_decoder_layers=[1, 2], context_decoder_layers=[0, 3], decoder_layers=4,
        apply_norm_to_cond=False, d_model=10, heads=2, xa_heads=2, xa_d_head=3, codebooks=2, group=2,
        generate=dict(
            text_len=[17, 9], context_len=[5, 5], guidance=1.0, min_frames=12, max_frames=20, local=False,
            prior=dict(epsilon=0.01, look_ahead=4, start_after=2, sink=3, stuck=4, estimate_layers=[2], apply_layers=[1]),
        ),
        text_len=[5, 8], codes_len=[7, 4, 1, 9], context_len=[6, 4], advantages=[1.0, -1.0, 0.25, 0.75],
    ),
    "stacked": dict(
        what="two frames a step and a narrower local transformer",
        frame_stacking=2, decoder_kernel=3, local_transformer=dict(layers=2, heads=2, d_model=8, d_ffn=14, max_positions=8),
        generate=dict(text_len=[7, 5], context_len=[3, 2], guidance=1.5, min_frames=4, max_frames=16, local=True, prior=None),
        text_len=[6, 10, 3], codes_len=[5, 8, 2], context_len=[4, 5, 1], advantages=[-0.5, 0.125, 0.75],
    ),
    "prior": dict(
        what="training prior, alignment loss and an item without conditions; masks that also keep padding out of convolutions",
        mask_convention="strict", encoder_causal=False, xa_heads=2, xa_d_head=5, unconditional=[0, 1, 0, 0],
        prior=dict(scaling=0.5, blend=0.25, eps=TINY, strict=True), alignment_layers=[0, 2],
        generate=dict(
            text_len=[18, 11, 5], context_len=[4, 5, 3], guidance=2.5, min_frames=6, max_frames=24, local=False,
            prior=dict(epsilon=0.1, look_ahead=3, start_after=0, sink=2, stuck=3, estimate_layers=[0, 1], apply_layers=[]),
        ),
        text_len=[4, 6, 5, 3], codes_len=[9, 7, 6, 8], context_len=[3, 5, 2, 4], advantages=[0.25, 0.5, -1.0, 0.375],
    ),
}  # fmt: skip


def parameter_shapes(c):
    """Published names and shapes, with the deviation of the random weights (None: around one)."""
    d, ffn, V, heads = c["d_model"], c["d_ffn"], c["vocab"], c["codebooks"] * c["frame_stacking"]
    shapes = {"text_embedding.weight": (c["text_rows"], d)}
    for i in range(heads):
        shapes[f"audio_embeddings.{i}.weight"] = (V, d)

    def stack(name, layers, width, inner, kernel, positions, cross=False, norm=True):
        shapes[f"{name}.position_embeddings.weight"] = (positions, width)
        for i in range(layers):
            at = f"{name}.layers.{i}."
            shapes[at + "norm_self.weight"] = (width,)
            shapes[at + "self_attention.qkv_net.weight"] = (3 * width, width)
            shapes[at + "self_attention.o_net.weight"] = (width, width)
            if cross:
                e = c["xa_heads"] * c["xa_d_head"]
                shapes[at + "norm_xattn_query.weight"] = (width,)
                if c["apply_norm_to_cond"]:
                    shapes[at + "norm_xattn_memory.weight"] = (width,)
                shapes[at + "cross_attention.q_net.weight"] = (e, width)
                shapes[at + "cross_attention.kv_net.weight"] = (2 * e, width)
                shapes[at + "cross_attention.o_net.weight"] = (width, e)
            shapes[at + "norm_pos_ff.weight"] = (width,)
            shapes[at + "pos_ff.proj.conv.weight"] = (inner, width, kernel)
            shapes[at + "pos_ff.o_net.conv.weight"] = (width, inner, kernel)
        if norm:
            shapes[f"{name}.norm_out.weight"] = (width,)

    stack("encoder", c["encoder_layers"], d, ffn, c["encoder_kernel"], c["max_positions"])
    if c["context_layers"]:
        stack("context_encoder", c["context_layers"], d, ffn, c["context_kernel"], c["max_positions"])
    stack("decoder", c["decoder_layers"], d, ffn, c["decoder_kernel"], c["max_positions"], cross=True)
    shapes["final_proj.weight"], shapes["final_proj.bias"] = (heads * V, d), (heads * V,)
    local = c["local_transformer"]
    if local:
        stack("local_transformer", local["layers"], local["d_model"], local["d_ffn"], 1, local["max_positions"], norm=False)
        if local["d_model"] != d:
            shapes["local_transformer_in_projection.weight"] = (local["d_model"], d)
            shapes["local_transformer_in_projection.bias"] = (local["d_model"],)
        for i in range(heads):
            shapes[f"local_transformer_out_projections.{i}.weight"] = (V, local["d_model"])
            shapes[f"local_transformer_out_projections.{i}.bias"] = (V,)
    return shapes


def random_weights(shapes, generator):
    weights = {}
    for name, shape in shapes.items():
        x = torch.randn(shape, generator=generator, dtype=torch.float64)
        x = 1 + 0.2 * x if ".norm_" in name else 0.35 * x
        weights[name] = x.float().double().requires_grad_()
    return weights


def token_logprobs(logits, targets):
    """logits [B,U,n,V], targets [B,n,U] -> [B,n,U], zero where there is none."""
    lp = F.log_softmax(logits, dim=-1).transpose(1, 2).gather(-1, targets.clamp(min=0)[..., None])[..., 0]
    return lp * (targets >= 0)


def cross_entropy(lp, targets):
    mask = (targets >= 0).double()
    return ((-lp * mask).sum((0, 2)) / mask.sum((0, 2))).mean()


def policy_loss(lp, targets, advantages, K):
    """Mean over samples of each codebook's mean over frames, mean over codebooks."""
    mask = (targets >= 0).double()
    per_token = -torch.exp(lp - lp.detach()) * advantages[:, None, None] * mask
    B, n, _ = lp.shape
    total = 0
    for k in range(K):
        heads = list(range(k, n, K))
        total = total + (per_token[:, heads].sum((1, 2)) / mask[:, heads].sum((1, 2))).mean()
    return total / K


def beta_binomial(frames, text, scaling):
    n = text - 1
    rows = torch.empty(frames, text, dtype=torch.float64)
    beta = lambda a, b: math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    for y in range(1, frames + 1):
        a, b = scaling * y, scaling * (frames + 1 - y)
        for x in range(text):
            rows[y - 1, x] = math.comb(n, x) * math.exp(beta(x + a, n - x + b) - beta(a, b))
    return rows


def alignment_loss(scores, steps, text_len, unconditional):
    """Forward-sum: CTC of the positions 1..N over log-softmaxed scores with a blank of -1; items without conditions give 0."""
    total = 0
    for b in range(len(steps)):
        n, t = int(text_len[b]), int(steps[b])
        if unconditional[b] or t < n:
            continue
        logits = F.pad(scores[b, :t, :n], (1, 0), value=-1.0)
        loss = F.ctc_loss(F.log_softmax(logits, dim=-1)[:, None], torch.arange(1, n + 1)[None], (t,), (n,), reduction="sum")
        total = total + loss / n
    return total / len(steps)


def random_inputs(c, generator):
    draw = lambda high, shape: torch.randint(0, high, shape, generator=generator)
    io = {"in.text_len": torch.tensor(c["text_len"]), "in.codes_len": torch.tensor(c["codes_len"]), "in.context_len": torch.tensor(c["context_len"])}
    P, B, K = len(c["text_len"]), len(c["codes_len"]), c["codebooks"]
    io["in.text"] = draw(c["text_rows"] - 1, (P, max(c["text_len"])))
    for p, n in enumerate(c["text_len"]):
        io["in.text"][p, n - 1], io["in.text"][p, n:] = c["text_rows"] - 1, 0
    io["in.codes"], io["in.context_codes"] = draw(c["codes"], (B, K, max(c["codes_len"]))), draw(c["codes"], (P, K, max(c["context_len"])))
    for name in ("codes", "context"):
        codes = io["in.codes" if name == "codes" else "in.context_codes"]
        for b, n in enumerate(c[f"{name}_len"]):
            codes[b, :, n:] = 0
    io["in.advantages"] = torch.tensor(c["advantages"])

    g = c["generate"]
    io["in.generate_text_len"], io["in.generate_context_len"] = torch.tensor(g["text_len"]), torch.tensor(g["context_len"])
    io["in.generate_text"] = draw(c["text_rows"] - 1, (len(g["text_len"]), max(g["text_len"])))
    for p, n in enumerate(g["text_len"]):
        io["in.generate_text"][p, n - 1] = c["text_rows"] - 1
    io["in.generate_context_codes"] = draw(c["codes"], (len(g["text_len"]), K, max(g["context_len"])))
    return io


def make(variant, folder):
    c = {**BASE, **VARIANTS[variant]}
    generator = torch.Generator().manual_seed(list(VARIANTS).index(variant) + 1)
    weights = random_weights(parameter_shapes(c), generator)
    io = random_inputs(c, generator)
    model = Model(c, weights)
    B, K, n = len(c["codes_len"]), c["codebooks"], c["codebooks"] * c["frame_stacking"]
    unconditional = c["unconditional"] or [0] * B
    frames, steps, targets = audio_sequence(c, io)
    text_len = io["in.text_len"].repeat_interleave(c["group"])

    prior = None
    if c["prior"]:
        prior = torch.zeros(B, int(steps.max()), int(text_len.max()), dtype=torch.float64)
        for b in range(B):
            p = beta_binomial(int(steps[b]), int(text_len[b]), c["prior"]["scaling"])
            prior[b, : steps[b], : text_len[b]] = p + (1 - p) * c["prior"]["blend"]
    encoded = model.encode(io)
    hidden, scores = model.decode(encoded, frames, steps, unconditional, prior)
    valid = lengths_mask(steps, int(steps.max()))[..., None]
    logits = F.linear(hidden, weights["final_proj.weight"], weights["final_proj.bias"])
    lp = token_logprobs(logits.unflatten(-1, (n, c["vocab"])), targets)
    advantages = io["in.advantages"].double()
    losses = {"ce": cross_entropy(lp, targets), "grpo": policy_loss(lp, targets, advantages, K)}
    out = {"encoder": encoded[0], "context": encoded[2], "decoder": hidden, "logits": logits * valid, "logprobs": lp}
    out["unconditional"] = model.decode(encoded, frames, steps, [1] * B)[0]
    if c["local_transformer"]:
        local_lp = token_logprobs(model.local_logits(hidden, targets), targets)
        out["local_logprobs"] = local_lp
        losses["local"] = cross_entropy(local_lp, targets)
    if c["alignment_layers"]:
        mean = sum(scores[i][0] for i in c["alignment_layers"]) / len(c["alignment_layers"])
        losses["alignment"] = alignment_loss(mean, steps, text_len, unconditional)

    grads = {}
    for name, loss in losses.items():
        for p in weights.values():
            p.grad = None
        loss.backward(retain_graph=True)
        for key, p in weights.items():
            if p.grad is not None and p.grad.abs().max() > 0:
                grads[f"grad.{name}.{key}"] = p.grad.float().contiguous()
    io.update({f"out.{k}": v.detach().float().contiguous() for k, v in out.items()})
    generated = generate_greedily(model, io, c["generate"])
    room = max(len(codes) for codes in generated)
    io["out.generated_len"] = torch.tensor([len(codes) for codes in generated])
    io["out.generated"] = torch.tensor([codes + [[0] * K] * (room - len(codes)) for codes in generated]).transpose(1, 2)
    io.update({"out.pg" if k == "grpo" else f"out.{k}": v.detach().reshape(1) for k, v in losses.items()})

    folder.mkdir(exist_ok=True)
    save_file({k: v.detach().float().contiguous() for k, v in weights.items()}, folder / "weights.safetensors")
    save_file({k: v.contiguous() for k, v in io.items()}, folder / "io.safetensors")
    save_file(grads, folder / "grads.safetensors")
    inputs = ("text_len", "codes_len", "context_len", "advantages")
    about = {k: v for k, v in c.items() if k not in inputs}
    about["made_by"] = "tts.golden.py"
    about["tensors"] = {
        "in.*": "inputs: text [P,N], codes [B,K,T], context_codes [P,K,Tc] with their lengths, advantages [B]; B = P·group",
        "out.encoder, out.context": "[P,N,d] and [P,Uc,d]; the context is what stands in front of the audio or is attended to",
        "out.decoder, out.unconditional": "[B,U,d] at the audio steps, with the conditions and with none",
        "out.logits, out.logprobs, out.local_logprobs": "[B,U,n·V] and [B,n,U], head c + i·K is codebook c of slot i",
        "in.generate_*, out.generated": "prompts of the greedy generation and its codes [P,K,frames], with their lengths",
        "out.<loss>": "ce, pg (grpo), local (cross-entropy of the local transformer), alignment",
        "grad.<loss>.<name>": "gradients; absent where they are zero",
    }
    (folder / "README.json").write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n")
    size = sum(f.stat().st_size for f in folder.iterdir())
    print(variant, {k: round(v.item(), 6) for k, v in losses.items()}, io["out.generated_len"].tolist(), f"{size / 1000:.0f} KB")


if __name__ == "__main__":
    torch.set_num_threads(1)
    for name in VARIANTS:
        make(name, pathlib.Path(__file__).parent / f"golden-{name}")
