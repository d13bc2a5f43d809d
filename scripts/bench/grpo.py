"""A GRPO update in PyTorch, as a user who knows PyTorch well would write it: `grpo-step`'s peer.

The networks are those of the shipped tiny models, with random weights: a text-to-codes model with a local transformer, the codec's
decoder, two recognisers, a speaker net and a quality net. It has less to do than ours: all samples have the mean length, so that nothing
is padded, masked or finished early; texts are as long as each other; transcripts are not aligned, the pace is not measured.
Encoders and cross-attention memories are shared by a group, keys and values cached, weight norm folded away, AdamW fused. `--compile` gives
the decoder step, the draw of a code, codec, judges and loss to torch.compile.
"""

import sys
import time

import torch
import torch.nn.functional as F
from codec import Codec, fold, mel_filters
from peer import peak_rss_mib, serve
from torch import nn
from tts import Stack, Tts

torch.manual_seed(0)
COMPILED = "--compile" in sys.argv
TEMPERATURE = 0.7
# Samples that are learnt from, decoded and judged at once: the fastest of 6, 12, 24, 48 and 144.
LEARNT, DECODED, JUDGED = 48, 12, 12


class LocalTts(Tts):
    """Draws the codes of a frame one after another, from a small transformer over the frame."""

    def __init__(self, c):
        super().__init__(c)
        local = c["localTransformer"]
        sizes = {"dModel": local["dModel"], "dFfn": local["dFfn"], "heads": local["heads"], "maxPositions": local["maxPositions"], "crossHeadDim": 0}
        self.local = Stack(sizes, local["layers"], 1, True, False)
        self.local.norm = nn.Identity()
        self.local_heads = nn.Parameter(0.02 * torch.randn(self.K, c["vocab"], local["dModel"]))
        self.local_bias = nn.Parameter(torch.zeros(self.K, c["vocab"]))

    def token_step(self, x, caches, k, mask):
        """Codebook k [1] of a frame from the local input x [R, 1, D]: ids [R, 1], their log-probabilities and entropies, the next input."""
        y = self.local(x, caches=caches, at=k, mask=mask)[:, -1]
        logits = F.linear(y, self.local_heads[k][0], self.local_bias[k][0]) / TEMPERATURE
        all = F.log_softmax(logits.masked_fill(self.forbidden, -torch.inf), -1)
        p = all.exp()
        ids = (p / torch.empty_like(p).exponential_()).argmax(-1, keepdim=True)
        return ids, all.gather(1, ids), torch.special.entr(p).sum(-1, keepdim=True), F.embedding(ids + k * self.c["vocab"], self.audio.weight)

    def policy_loss(self, text, context_codes, codes, advantages):
        """-A log p of every drawn code, the mean; codes [B, K, T] of len(B) / len(text) samples a text."""
        c = self.c
        group = len(codes) // len(text)
        memories, context = self.encode(text, context_codes)
        inputs = self.embed(torch.cat([torch.full_like(codes[:, :, :1], c["bos"]), codes[:, :, :-1]], 2))
        rows = torch.cat([context.repeat_interleave(group, 0), inputs], 1)
        hidden = self.decoder(rows, memories)[:, context.shape[1] :].flatten(0, 1)
        targets = codes.transpose(1, 2).flatten(0, 1)
        tokens = F.embedding(targets[:, :-1] + self.first_rows[:-1], self.audio.weight)
        y = self.local(torch.cat([hidden[:, None], tokens], 1))
        loss = 0
        for k in range(self.K):
            logits = F.linear(y[:, k], self.local_heads[k], self.local_bias[k]) / TEMPERATURE
            losses = F.cross_entropy(logits, targets[:, k], reduction="none")
            loss = loss + (losses.view(len(codes), -1).mean(1) * advantages).mean()
        return loss / self.K


class Judge(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        C, head = c["channels"], c["head"]
        self.register_buffer("filters", mel_filters(c["nFft"], c["nMels"], c["sampleRate"]), persistent=False)
        self.register_buffer("window", torch.hann_window(c["nFft"]), persistent=False)
        self.frontend = nn.Linear(c["nMels"] * c["frameStack"], C)
        conv = lambda d: nn.Conv1d(C, C, c["kernel"], dilation=d, padding=(c["kernel"] - 1) * d // 2)
        self.blocks = nn.ModuleList(nn.ModuleList([nn.LayerNorm(C, bias=False), conv(d), nn.Linear(C, C)]) for d in c["dilations"])
        self.norm = nn.LayerNorm(C, bias=False)
        outputs = {"ctc": head.get("labels"), "speaker": head.get("dim"), "quality": 1}[head["kind"]]
        self.head = nn.Linear(C if head["kind"] == "ctc" else 2 * C, outputs)

    def log_mel(self, wav):
        c = self.c
        s = torch.stft(wav, c["nFft"], c["hopLength"], c["nFft"], self.window, pad_mode="constant", return_complex=True)
        return torch.log(self.filters @ torch.view_as_real(s).square().sum(-1).sqrt() + 0.01).mT

    def forward(self, mel):
        c = self.c
        stack = c["frameStack"]
        x = F.gelu(self.frontend(mel[:, : mel.shape[1] // stack * stack].reshape(len(mel), -1, stack * c["nMels"])))
        for norm, conv, linear in self.blocks:
            x = x + linear(F.gelu(conv(norm(x).mT)).mT)
        x = self.norm(x)
        if c["head"]["kind"] == "ctc":
            return self.head(x).argmax(-1)
        y = self.head(torch.cat([x.mean(1), x.std(1, correction=0)], -1))
        return F.normalize(y, dim=-1) if c["head"]["kind"] == "speaker" else y[:, 0]


class Update:
    def __init__(self, request):
        c = request["config"]
        self.group, self.frames = request["group"], request["frames"]
        self.model = LocalTts(c)
        self.codec = fold(Codec(request["codec"]))
        self.judges = [Judge(config).eval() for config in request["judges"]]
        self.optimizer = torch.optim.AdamW(self.model.parameters(), 1e-4, fused=True)
        P, R = request["prompts"], request["prompts"] * self.group
        self.text = torch.randint(0, c["textRows"] - 1, (P, request["text"]))
        self.context = torch.randint(0, c["bos"], (P, c["codebooks"], request["context"]))
        self.prefix = request["context"] + 2
        cache = lambda layers, heads, length, width: [torch.zeros(2, R, heads, length, width // heads) for _ in range(layers)]
        local = c["localTransformer"]
        self.caches = cache(c["decoderLayers"], c["heads"], self.prefix + self.frames, c["dModel"])
        self.local_caches = cache(local["layers"], local["heads"], c["codebooks"], local["dModel"])
        self.wrap = torch.compile if COMPILED else lambda f, **_: f
        self.advance = self.wrap(self.model.decoder.forward, dynamic=False)
        self.draw = self.wrap(self.model.token_step, dynamic=False)
        self.decode = self.wrap(self.codec.decode, dynamic=False)
        self.hear = [self.wrap(judge, dynamic=False) for judge in self.judges]
        self.loss = self.wrap(self.model.policy_loss, dynamic=False)

    @torch.no_grad()
    def roll_out(self):
        model, R = self.model, len(self.text) * self.group
        # Compiled shapes must not change: the whole cache is read under a mask.
        mask = lambda places, at: (places <= at)[None] if COMPILED else None
        memories, context = model.encode(self.text, self.context)
        places, codebooks = torch.arange(self.prefix + self.frames), torch.arange(model.K)
        model.decoder(context.repeat_interleave(self.group, 0), memories, self.caches, places[: self.prefix])
        x, out = model.embed(torch.full((R, model.K, 1), model.c["bos"])), []
        for at in places[self.prefix :].split(1):
            y, frame = self.advance(x, memories, self.caches, at, mask(places, at)), []
            for k in codebooks.split(1):
                ids, logprobs, entropies, y = self.draw(y, self.local_caches, k, mask(codebooks, k))
                frame.append((ids, logprobs, entropies))
            out.append([torch.stack(parts, 1) for parts in zip(*frame)])
            x = model.embed(out[-1][0])
        codes, _, _ = (torch.cat(parts, 2) for parts in zip(*out))
        return codes

    @torch.no_grad()
    def judge(self, wavs):
        heard = [torch.cat([hear(judge.log_mel(part)) for part in wavs.split(JUDGED)]) for judge, hear in zip(self.judges, self.hear)]
        for answer in heard:
            if answer.dtype == torch.long:
                [torch.unique_consecutive(row).tolist() for row in answer]
        rewards = torch.rand(len(wavs) // self.group, self.group)
        return ((rewards - rewards.mean(1, keepdim=True)) / rewards.std(1, keepdim=True)).flatten()

    def learn(self, codes, advantages):
        self.optimizer.zero_grad(set_to_none=True)
        for at in range(0, len(codes), LEARNT):
            mine, prompts = slice(at, at + LEARNT), slice(at // self.group, (at + LEARNT) // self.group)
            loss = self.loss(self.text[prompts], self.context[prompts], codes[mine], advantages[mine])
            (loss * len(codes[mine]) / len(codes)).backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0, foreach=True)
        self.optimizer.step()

    def run(self):
        """Seconds of each phase."""
        marks = [time.perf_counter()]
        mark = lambda: marks.append(time.perf_counter())
        codes = self.roll_out()
        mark()
        with torch.no_grad():
            wavs = torch.cat([self.decode(part) for part in codes.split(DECODED)])
        mark()
        advantages = self.judge(wavs)
        mark()
        self.learn(codes, advantages)
        mark()
        return dict(zip(("rollout", "decode", "judges", "update"), (b - a for a, b in zip(marks, marks[1:]))))


update = None


def answer(request):
    global update
    if update is None:
        update = Update(request)
        update.run()
    parameters = sum(p.numel() for p in update.model.parameters())
    return {"updates": [update.run() for _ in range(request["steps"])], "parameters": parameters, "rssMiB": peak_rss_mib()}


if __name__ == "__main__":
    serve(answer)
