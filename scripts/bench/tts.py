"""train-step and decode in PyTorch: the network of ../../native/tts as a user who knows PyTorch well would write it.

Attention is scaled_dot_product_attention without a mask tensor (nothing is ragged here), AdamW is fused, generation keeps its
keys and values in a cache that is allocated once, and the encoders run once a prompt. `--compile` gives the whole step to
torch.compile; generation then reads the whole cache under a mask, because its shapes must not change, and weights are
packed ahead (freezing). `--bf16` trains under autocast and generates with weights and cache of bf16.
"""

import sys

import torch
import torch.nn.functional as F
from peer import median_ms, peak_rss_mib, serve
from torch import nn

torch.manual_seed(0)
COMPILED, BF16 = "--compile" in sys.argv, "--bf16" in sys.argv


class FeedForward(nn.Module):
    def __init__(self, d, ffn, kernel, causal):
        super().__init__()
        self.kernel, self.causal = kernel, causal
        self.up, self.down = (
            (nn.Linear(d, ffn, bias=False), nn.Linear(ffn, d, bias=False))
            if kernel == 1
            else (nn.Conv1d(d, ffn, kernel, bias=False), nn.Conv1d(ffn, d, kernel, bias=False))
        )

    def forward(self, x):
        if self.kernel == 1:
            return self.down(F.gelu(self.up(x), approximate="tanh"))
        reach = self.kernel - 1
        pad = (reach, 0) if self.causal else (reach // 2, reach // 2)
        return self.down(F.pad(F.gelu(self.up(F.pad(x.mT, pad)), approximate="tanh"), pad)).mT


class Layer(nn.Module):
    def __init__(self, c, kernel, causal, cross):
        super().__init__()
        d, e = c["dModel"], c["crossHeadDim"]
        norm = lambda: nn.LayerNorm(d, bias=False)
        self.heads, self.causal, self.cross = c["heads"], causal, cross
        self.norm_self, self.qkv, self.out = norm(), nn.Linear(d, 3 * d, bias=False), nn.Linear(d, d, bias=False)
        self.norm_ff, self.ff = norm(), FeedForward(d, c["dFfn"], kernel, causal)
        if cross:
            self.norm_query, self.norm_memory = norm(), norm()
            self.q, self.kv = nn.Linear(d, e, bias=False), nn.Linear(d, 2 * e, bias=False)
            self.cross_out = nn.Linear(e, d, bias=False)

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def memory(self, text):
        """Keys and values [2, P, 1, N, E] of the text for cross-attention with its one head."""
        return torch.stack(self.kv(self.norm_memory(text)).chunk(2, -1))[:, :, None]

    def forward(self, x, memory=None, cache=None, at=None, mask=None):
        """`cache` [2, B, H, T, D] takes the rows of x from position `at` on. With `mask`, x attends to all that the mask allows."""
        q, k, v = (self.split(t) for t in self.qkv(self.norm_self(x)).chunk(3, -1))
        if cache is not None:
            cache[0, :, :, at], cache[1, :, :, at] = k, v
            if mask is not None:
                k, v = cache
            elif len(at) == 1:
                k, v = cache[:, :, :, : at[-1] + 1]
        causal = self.causal and x.shape[1] > 1
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal and mask is None)
        x = x + self.out(y.transpose(1, 2).flatten(2))
        if self.cross:
            q = self.q(self.norm_query(x))[:, None]
            group = len(x) // memory.shape[1]
            if group > 1:  # the samples of a prompt are so many queries of one memory
                q = q.view(-1, 1, group * x.shape[1], q.shape[-1])
            y = F.scaled_dot_product_attention(q, *memory).view(len(x), x.shape[1], -1)
            x = x + self.cross_out(y)
        return x + self.ff(self.norm_ff(x))


class Stack(nn.Module):
    def __init__(self, c, layers, kernel, causal, cross):
        super().__init__()
        self.positions = nn.Embedding(c["maxPositions"], c["dModel"])
        self.layers = nn.ModuleList(Layer(c, kernel, causal, cross) for _ in range(layers))
        self.norm = nn.LayerNorm(c["dModel"], bias=False)

    def forward(self, x, memories=None, caches=None, at=None, mask=None):
        x = x + (self.positions.weight[: x.shape[1]] if at is None else self.positions(at))
        for i, layer in enumerate(self.layers):
            x = layer(x, memories and memories[i], caches and caches[i], at, mask)
        return self.norm(x)


class Tts(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c, self.K = c, c["codebooks"]
        self.text = nn.Embedding(c["textRows"], c["dModel"])
        self.audio = nn.EmbeddingBag(self.K * c["vocab"], c["dModel"], mode="mean")
        self.encoder = Stack(c, c["encoderLayers"], c["encoderKernel"], c.get("encoderCausal", True), False)
        if c["contextLayers"]:
            self.context_encoder = Stack(c, c["contextLayers"], c["contextKernel"], False, False)
        self.decoder = Stack(c, c["decoderLayers"], 1, True, True)
        self.heads = nn.Linear(c["dModel"], self.K * c["vocab"])
        self.register_buffer("first_rows", torch.arange(self.K) * c["vocab"], persistent=False)
        ids = torch.arange(c["vocab"])
        self.register_buffer("forbidden", ids >= c["bos"], persistent=False)

    def embed(self, codes):
        """[B, K, T] -> [B, T, C]"""
        B, K, T = codes.shape
        return self.audio((codes.transpose(1, 2) + self.first_rows).reshape(B * T, K)).view(B, T, -1)

    def encode(self, text, context_codes):
        """Memory of each decoder layer, and the rows before the audio."""
        c = self.c
        mark = lambda id: torch.full_like(context_codes[:, :, :1], id)
        context = self.embed(torch.cat([mark(c["contextBos"]), context_codes, mark(c["contextEos"])], 2))
        if c["contextLayers"]:
            context = self.context_encoder(context)
        rows = self.encoder(self.text(text))
        return [layer.memory(rows) for layer in self.decoder.layers], context

    def loss(self, text, context_codes, codes):
        """Cross-entropy of the codes and of the EOS after them, the mean over codebooks."""
        c = self.c
        mark = lambda id: torch.full_like(codes[:, :, :1], id)
        memories, context = self.encode(text, context_codes)
        inputs = self.embed(torch.cat([mark(c["bos"]), codes], 2))
        hidden = self.decoder(torch.cat([context, inputs], 1), memories)[:, context.shape[1] :]
        targets = torch.cat([codes, mark(c["eos"])], 2).transpose(1, 2)
        return F.cross_entropy(self.heads(hidden).view(-1, c["vocab"]), targets.reshape(-1))

    def step(self, x, memories, caches, at, mask):
        """Hidden rows x at position `at` through the decoder; a token of each codebook, sampled from the 80 likeliest."""
        hidden = self.decoder(x, memories, caches, at, mask)[:, -1]
        z = self.heads(hidden).float().view(-1, self.c["vocab"]).masked_fill(self.forbidden, -torch.inf)
        top, ids = torch.topk(z / 0.7, min(80, self.c["bos"]))
        # The maximum of p / e with e exponential is a draw from p, without the checks and the sort of torch.multinomial.
        p = torch.softmax(top, -1)
        drawn = (p / torch.empty_like(p).exponential_()).argmax(-1, keepdim=True)
        logprobs = torch.log_softmax(top, -1)
        return ids.gather(1, drawn).view(-1, self.K, 1), logprobs.gather(1, drawn), -(p * logprobs).sum(-1)


def parameters(model):
    return sum(p.numel() for p in model.parameters())


def training(model, batch):
    c = model.c
    draw = lambda *shape, below: torch.randint(0, below, shape)
    B = batch["samples"]
    data = (
        draw(B, batch["text"], below=c["textRows"] - 1),
        draw(B, c["codebooks"], batch["context"], below=c["bos"]),
        draw(B, c["codebooks"], batch["frames"], below=c["bos"]),
    )
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4, fused=True)
    loss = torch.compile(model.loss, dynamic=False) if COMPILED else model.loss

    def step():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=BF16):
            out = loss(*data)
        out.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
        optimizer.step()

    return step


def generation(model, batch):
    c = model.c
    R, frames = batch["samples"], batch["frames"]
    text = torch.randint(0, c["textRows"] - 1, (1, batch["text"]))
    context_codes = torch.randint(0, c["bos"], (1, c["codebooks"], batch["context"]))
    prefix, D = batch["context"] + 2, c["dModel"] // c["heads"]
    T = prefix + frames
    if BF16:
        model.bfloat16()
    dtype = torch.bfloat16 if BF16 else torch.float32
    caches = [torch.zeros(2, R, c["heads"], T, D, dtype=dtype) for _ in range(c["decoderLayers"])]
    positions = torch.arange(T)
    advance = model.step
    if COMPILED:
        torch._inductor.config.freezing = True
        advance = torch.compile(model.step, dynamic=False)

    def generate():
        memories, context = model.encode(text, context_codes)
        start = model.embed(torch.full((R, c["codebooks"], 1), c["bos"]))
        before = positions[:prefix]
        model.decoder(context.expand(R, -1, -1).contiguous(), memories, caches, before)
        x, out = start, []
        for t in range(frames):
            at = positions[prefix + t : prefix + t + 1]
            mask = (positions <= at)[None] if COMPILED else None
            tokens, logprobs, entropy = advance(x, memories, caches, at, mask)
            out.append((tokens, logprobs, entropy))
            x = model.embed(tokens)
        return [torch.cat(parts) for parts in zip(*out, strict=True)]

    return torch.inference_mode()(generate) if not COMPILED else torch.no_grad()(generate)


step, count = None, None


def answer(request):
    global step, count
    if step is None:
        model = Tts(request["config"])
        count = parameters(model)
        if request["task"] == "train":
            step = training(model.train(), request["batch"])
        else:
            step = generation(model.eval(), request["batch"])
        step()
    return {"ms": median_ms(step, 0, request["steps"]), "parameters": count, "rssMiB": peak_rss_mib()}


if __name__ == "__main__":
    serve(answer)
