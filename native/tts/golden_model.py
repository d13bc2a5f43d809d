"""The text-to-codes model in PyTorch, written from its description: what tts.golden.py runs."""

import math

import torch
import torch.nn.functional as F

TINY = torch.finfo(torch.float32).tiny


def layer_norm(x, weight):
    return F.layer_norm(x, (x.shape[-1],), weight, None, 1e-5)


def convolve(x, weight, causal):
    k = weight.shape[-1]
    pad = (k - 1, 0) if causal else ((k - 1) // 2, (k - 1) // 2)
    return F.conv1d(F.pad(x.transpose(1, 2), pad), weight).transpose(1, 2)


def split_heads(x, heads):
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def masked_softmax(scores, mask):
    """Probabilities over the keys that the mask leaves; rows without any are zero."""
    p = F.softmax(scores.masked_fill(~mask, -math.inf), dim=-1)
    return torch.where(mask, p, torch.zeros_like(p))


class Model:
    def __init__(self, c, weights):
        self.c, self.w = c, weights

    def self_attention(self, at, x, mask, heads, causal):
        B, T, d = x.shape
        q, k, v = (split_heads(t, heads) for t in (x @ self.w[at + "qkv_net.weight"].T).split(d, dim=-1))
        keys = torch.ones_like(mask) if self.c["mask_convention"] == "query" else mask
        allowed = mask[:, None, :, None] & keys[:, None, None, :]
        if causal:
            allowed = allowed & torch.ones(T, T).tril().bool()
        p = masked_softmax(q @ k.transpose(2, 3) / math.sqrt(d // heads), allowed)
        return (p @ v).transpose(1, 2).flatten(2) @ self.w[at + "o_net.weight"].T

    def cross_attention(self, at, x, memory, memory_mask, prior, window=None):
        """Output, and averaged over heads the scores before the softmax and the probabilities."""
        heads, e = self.c["xa_heads"], self.c["xa_heads"] * self.c["xa_d_head"]
        q = split_heads(x @ self.w[at + "q_net.weight"].T, heads)
        k, v = (split_heads(t, heads) for t in (memory @ self.w[at + "kv_net.weight"].T).split(e, dim=-1))
        scores = q @ k.transpose(2, 3) / math.sqrt(self.c["xa_d_head"])
        masked = scores.masked_fill(~memory_mask[:, None, None, :], -math.inf)
        if prior is not None:
            masked = F.log_softmax(masked, dim=-1) + torch.log(prior[:, None] + self.c["prior"]["eps"])
            if self.c["prior"]["strict"]:
                masked = torch.clamp(masked, min=math.log(TINY)).masked_fill(~memory_mask[:, None, None, :], -math.inf)
        p = F.softmax(masked, dim=-1)
        if window is not None:
            p = p * (window + TINY)
            p = p / p.sum(-1, keepdim=True)
        return (p @ v).transpose(1, 2).flatten(2) @ self.w[at + "o_net.weight"].T, scores.mean(1), p.mean(1)

    def stack(self, name, x, mask, layers, heads, causal, memories=None, prior=None, norm=True, windows=None):
        """memories: one (rows, mask, is text) a layer; windows: generation priors {layer: [N]}.
        Returns the output and {layer: scores, probabilities} of the layers that attend to the text."""
        keep = mask[..., None].double()
        x = x + self.w[f"{name}.position_embeddings.weight"][: x.shape[1]]
        scores = {}
        for i in range(layers):
            at = f"{name}.layers.{i}."
            x = x * keep
            x = x + self.self_attention(at + "self_attention.", layer_norm(x, self.w[at + "norm_self.weight"]), mask, heads, causal)
            if memories:
                rows, rows_mask, is_text = memories[i]
                if self.c["apply_norm_to_cond"]:
                    rows = layer_norm(rows, self.w[at + "norm_xattn_memory.weight"])
                h = layer_norm(x, self.w[at + "norm_xattn_query.weight"])
                window = windows.get(i) if windows else None
                y, *seen = self.cross_attention(at + "cross_attention.", h, rows, rows_mask, prior if is_text else None, window)
                x = x + y
                if is_text:
                    scores[i] = seen
            h = convolve(layer_norm(x, self.w[at + "norm_pos_ff.weight"]), self.w[at + "pos_ff.proj.conv.weight"], causal)
            h = F.gelu(h, approximate="tanh")
            if self.c["mask_convention"] == "strict":
                h = h * keep
            x = (x + convolve(h, self.w[at + "pos_ff.o_net.conv.weight"], causal)) * keep
        return (layer_norm(x, self.w[f"{name}.norm_out.weight"]) if norm else x), scores

    def embed(self, frames):
        """[B,K,S·U] -> [B,U,d]"""
        K, S = self.c["codebooks"], self.c["frame_stacking"]
        total = 0
        for i in range(S):
            for k in range(K):
                total = total + self.w[f"audio_embeddings.{k + i * K}.weight"][frames[:, k, i::S]]
        return total / (K * S)

    def encode(self, io):
        c = self.c
        text_mask = lengths_mask(io["in.text_len"], io["in.text"].shape[1])
        text, _ = self.stack("encoder", self.w["text_embedding.weight"][io["in.text"]], text_mask, c["encoder_layers"], c["heads"], c["encoder_causal"])
        frames, steps = context_sequence(c, io)
        context, context_mask = self.embed(frames), lengths_mask(steps, int(steps.max()))
        if c["context_layers"]:
            context, _ = self.stack("context_encoder", context, context_mask, c["context_layers"], c["heads"], False)
        return text, text_mask, context * context_mask[..., None], context_mask

    def decode(self, encoded, frames, steps, unconditional, prior=None, windows=None):
        """Hidden rows [B,U,d] of the audio, and what `stack` returns beside them, there."""
        c = self.c
        text, text_mask, context, context_mask = (t.repeat_interleave(c["group"], 0) for t in encoded)
        off = torch.tensor(unconditional).bool()
        audio = self.embed(frames)
        B, U, d = audio.shape
        first = torch.zeros_like(text_mask)
        first[:, 0] = True
        text = torch.where(off[:, None, None], 0.0, text)
        text_mask = torch.where(off[:, None], first, text_mask)
        if c["model_type"] == "multi_encoder":
            first = torch.zeros_like(context_mask)
            first[:, 0] = True
            memory = (torch.where(off[:, None, None], 0.0, context), torch.where(off[:, None], first, context_mask), False)
            memories = [(text, text_mask, True) if i in c["transcript_decoder_layers"] else memory for i in range(c["decoder_layers"])]
            start = torch.zeros_like(steps)
            x, mask = audio, lengths_mask(steps, U)
        else:
            memories = [(text, text_mask, True)] * c["decoder_layers"]
            start = context_mask.sum(1)
            x = torch.zeros(B, int((start + steps).max()), d, dtype=torch.float64)
            rows = []
            for b in range(B):
                prompt = context[b, : start[b]] * (0.0 if off[b] else 1.0)
                joined = torch.cat([prompt, audio[b, : steps[b]]])
                rows.append(F.pad(joined, (0, 0, 0, x.shape[1] - len(joined))))
            x, mask = torch.stack(rows), lengths_mask(start + steps, x.shape[1])
        if prior is not None:
            whole = torch.zeros(B, x.shape[1], text.shape[1], dtype=torch.float64)
            for b in range(B):
                whole[b, start[b] : start[b] + steps[b]] = prior[b, : steps[b]]
                if off[b]:
                    whole[b] = 1.0 - c["prior"]["eps"]  # no prior
            prior = whole
        y, scores = self.stack("decoder", x, mask, c["decoder_layers"], c["heads"], True, memories, prior, windows=windows)

        def audio_only(t):
            return torch.stack([F.pad(t[b, start[b] : start[b] + steps[b]], (0, 0, 0, int(steps.max() - steps[b]))) for b in range(B)])

        return audio_only(y), {i: [audio_only(s) for s in seen] for i, seen in scores.items()}

    def local_logits(self, hidden, targets):
        """[B,U,n,V]: head k after the tokens before it in its step."""
        c, local = self.c, self.c["local_transformer"]
        B, n, U = targets.shape
        inputs = [hidden]
        for k in range(n - 1):
            inputs.append(self.w[f"audio_embeddings.{k}.weight"][targets[:, k].clamp(min=0)])
        x = torch.stack(inputs, dim=2).flatten(0, 1)
        if local["d_model"] != c["d_model"]:
            x = F.linear(x, self.w["local_transformer_in_projection.weight"], self.w["local_transformer_in_projection.bias"])
        y, _ = self.stack("local_transformer", x, torch.ones(x.shape[:2]).bool(), local["layers"], local["heads"], True, norm=False)
        out = "local_transformer_out_projections"
        logits = [F.linear(y[:, k], self.w[f"{out}.{k}.weight"], self.w[f"{out}.{k}.bias"]) for k in range(n)]
        return torch.stack(logits, dim=1).unflatten(0, (B, U))


def lengths_mask(lengths, size):
    return torch.arange(size)[None] < lengths[:, None]


def context_sequence(c, io):
    """Context BOS, codes, context EOS, zeros up to a whole step: frames [P,K,S·Uc] and steps [P]."""
    S, codes, n = c["frame_stacking"], io["in.context_codes"], io["in.context_len"]
    steps = torch.tensor([math.ceil((int(x) + 2) / S) for x in n])
    frames = torch.zeros(len(n), c["codebooks"], int(steps.max()) * S, dtype=torch.long)
    for p, x in enumerate(n):
        frames[p, :, 0], frames[p, :, 1 : x + 1], frames[p, :, x + 1] = c["context_bos"], codes[p, :, :x], c["context_eos"]
    return frames, steps


def audio_sequence(c, io):
    """Inputs [B,K,S·U], steps [B] and targets [B,K·S,U] (-1: none) by the published rules for stacks."""
    S, K, codes = c["frame_stacking"], c["codebooks"], io["in.codes"]
    inputs, targets = [], []
    for b, n in enumerate(io["in.codes_len"].tolist()):
        sequence = [[c["bos"]] * K] * S + [codes[b, :, t].tolist() for t in range(n)] + [[c["eos"]] * K]
        length = len(sequence)  # L'
        steps, frames = (length - 1) // S, length - S
        sequence += [[0] * K] * (-length % S)
        stacks = [sequence[u * S : u * S + S] for u in range(len(sequence) // S)]
        inputs.append([frame for stack in stacks[:-1] for frame in stack][: steps * S])
        wanted = [frame for stack in stacks[1:] for frame in stack]
        targets.append([frame if t < frames else [-1] * K for t, frame in enumerate(wanted)][: steps * S])
        assert len(inputs[-1]) == len(targets[-1]) == steps * S and frames == n + 1
    steps = torch.tensor([len(x) // S for x in inputs])
    U = int(steps.max())
    full = lambda rows, value: torch.tensor([r + [[value] * K] * (U * S - len(r)) for r in rows]).transpose(1, 2)
    by_frame = full(targets, -1)  # [B,K,S·U]
    by_head = torch.cat([by_frame[:, :, i::S] for i in range(S)], dim=1)
    return full(inputs, 0), steps, by_head


class Window:
    """The monotonic window over the text, as the reference describes it."""

    def __init__(self, settings, n):
        self.s, self.n, self.a, self.count, self.steps = settings, n, 1, {}, 0

    def observe(self, attention):
        """The weights of the next step, or None while the prior has not started."""
        self.steps += 1
        if self.steps <= self.s["start_after"]:
            return None
        a0 = self.a + (self.count.get(self.a, 0) >= self.s["sink"])
        inside = attention[a0 : min(a0 + self.s["look_ahead"], self.n - 3)] if a0 < self.n - 3 else []
        self.a = a0 + int(inside.argmax()) if len(inside) else self.n - 1
        self.count[self.a] = self.count.get(self.a, 0) + 1
        prior = torch.full((self.n,), self.s["epsilon"], dtype=torch.float64)
        if self.n <= 5:
            prior[:] = 1
        else:
            prior[max(1, self.a - 1)] = prior[self.a] = 1
            for d in range(1, self.s["look_ahead"] + 1):
                prior[min(self.a + d, self.n - 1)] = 1
        for t, times in self.count.items():
            if times >= self.s["stuck"]:
                prior[: t + 1] = self.s["epsilon"]
        return prior


@torch.no_grad()
def generate_greedily(model, io, g):
    """The likeliest codes of each prompt by itself, every step computed from the beginning: a list of [frames][K]."""
    c, results = {**model.c, "group": 1}, []
    model.c = c
    S, K, V = c["frame_stacking"], c["codebooks"], c["vocab"]
    text_layers = c["transcript_decoder_layers"] or list(range(c["decoder_layers"]))
    forbidden = [v for v in range(V) if v >= c["codes"] and v != c["eos"]]
    for p in range(len(g["text_len"])):
        one = {key.replace("generate_", ""): v[p : p + 1] for key, v in io.items() if key.startswith("in.generate_")}
        one["in.text"] = one["in.text"][:, : one["in.text_len"]]
        encoded, codes = model.encode(one), []
        settings = g["prior"]
        window, weights = (Window(settings, int(one["in.text_len"])) if settings else None), None
        for step in range(g["max_frames"] // S):
            frames = torch.tensor([[c["bos"]] * K] * S + codes).T[None]
            steps = torch.tensor([step + 1])
            windows = {i: weights for i in settings["apply_layers"] or text_layers} if weights is not None else None
            hidden, seen = model.decode(encoded, frames, steps, [0], windows=windows)
            twin, _ = model.decode(encoded, frames, steps, [1])
            if window:
                layers = settings["estimate_layers"] or text_layers
                weights = window.observe(sum(seen[i][1][0, -1] for i in layers) / len(layers))

            def likeliest(logits):
                logits = logits.clone()
                logits[..., forbidden] = -math.inf
                if step * S < g["min_frames"]:
                    logits[..., c["eos"]] = -math.inf
                return logits.argmax(-1)

            def guided(a, b):
                return g["guidance"] * a + (1 - g["guidance"]) * b

            parallel = F.linear(guided(hidden[0, -1], twin[0, -1]), model.w["final_proj.weight"], model.w["final_proj.bias"])
            tokens = by_parallel = likeliest(parallel.unflatten(0, (K * S, V)))
            if g["local"]:
                tokens = torch.zeros(1, K * S, 1, dtype=torch.long)
                for k in range(K * S):
                    heads = [model.local_logits(h[:, -1:], tokens)[0, 0, k] for h in (hidden, twin)]
                    tokens[0, k, 0] = likeliest(guided(*heads))
                tokens = tokens[0, :, 0]
            ended = False
            for i in range(S):
                slot = slice(i * K, i * K + K)
                ended = ended or c["eos"] in tokens[slot].tolist() + by_parallel[slot].tolist()
                if not ended:
                    codes.append(tokens[slot].tolist())
            if ended:
                break
        results.append(codes)
    return results
