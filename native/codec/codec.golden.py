#!/usr/bin/env python3
"""Golden tensors of the codec, from an implementation of its own in PyTorch modules.

    python codec.golden.py                     writes golden-small/ beside this file
    python codec.golden.py --out DIR --down 2 4 --up 4 2 --encoder 4 --decoder 16 --samples 70 33 --seed 5

Made with Python 3.11, PyTorch 2.13.0 (CPU), safetensors; deterministic. Weights are random, rounded to float32 and run
in float64; results are stored as float32 (the loss as float64). Layout: README.json (sizes), weights, io, grads.

Modules are named as in the published state dict. Every convolution is followed by a multiplication with the length mask,
and padding is that of torch.nn.Conv1d (encoder: replicate) or explicit zeros on the left (decoder); nothing here is
shared with the C++ code. The seed is advanced until no scalar lies within 1e-3 of a boundary between two codes and no
value within 2e-6 of a kink, so that f32 and f64 take the same side everywhere; that is for small sizes only.
"""

import argparse
import json
import math
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

KERNELS, DILATIONS = (3, 7, 11), (1, 3, 5)


kinks = []  # least distance of each leaky ReLU's and the limiter's input from its kink


def leaky(x):
    kinks.append(x[x != 0].abs().min().item())
    return F.leaky_relu(x, 0.01)


def mask(x, lengths):
    return x * (torch.arange(x.shape[-1])[None] < lengths[:, None])[:, None]


class Conv(nn.Module):
    """Same rate or strided, replicate padding on both sides."""

    def __init__(self, inputs, outputs, kernel, stride=1, dilation=1):
        super().__init__()
        pad = (kernel - 1) * dilation // 2 if stride == 1 else (kernel - stride + 1) // 2
        self.conv = weight_norm(nn.Conv1d(inputs, outputs, kernel, stride, pad, dilation, padding_mode="replicate"))

    def forward(self, x, lengths):
        return mask(self.conv(x), lengths)


class CausalConv(nn.Module):
    def __init__(self, inputs, outputs, kernel, dilation=1):
        super().__init__()
        self.left = (kernel - 1) * dilation
        self.conv = weight_norm(nn.Conv1d(inputs, outputs, kernel, dilation=dilation))

    def forward(self, x, lengths):
        return mask(self.conv(F.pad(x, (self.left, 0))), lengths)


class CausalUp(nn.Module):
    def __init__(self, inputs, outputs, rate):
        super().__init__()
        self.rate = rate
        self.conv = weight_norm(nn.ConvTranspose1d(inputs, outputs, 2 * rate, rate, groups=outputs))

    def forward(self, x, lengths):
        return mask(self.conv(x)[..., : x.shape[-1] * self.rate], lengths)


class Snake(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1, channels, 1))

    def forward(self, x):
        return x + torch.sin(self.alpha * x).pow(2) / (self.alpha + 1e-9)


class HalfSnake(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.half = channels // 2
        self.snake_act = Snake(self.half)

    def forward(self, x):
        return torch.cat([self.snake_act(x[:, : self.half]), leaky(x[:, self.half :])], 1)


class Activation(nn.Module):
    def __init__(self, channels, snake):
        super().__init__()
        if snake:
            self.activation = HalfSnake(channels)

    def forward(self, x):
        return self.activation(x) if hasattr(self, "activation") else leaky(x)


class Block(nn.Module):
    def __init__(self, channels, kernel, dilation, causal):
        super().__init__()
        conv = CausalConv if causal else Conv
        self.input_activation, self.skip_activation = Activation(channels, causal), Activation(channels, causal)
        self.input_conv = conv(channels, channels, kernel, dilation=dilation)
        self.skip_conv = conv(channels, channels, kernel)

    def forward(self, x, lengths):
        return x + self.skip_conv(self.skip_activation(self.input_conv(self.input_activation(x), lengths)), lengths)


class Chain(nn.Module):
    def __init__(self, channels, kernel, causal):
        super().__init__()
        self.res_blocks = nn.ModuleList(Block(channels, kernel, d, causal) for d in DILATIONS)

    def forward(self, x, lengths):
        for block in self.res_blocks:
            x = block(x, lengths)
        return x


class ResLayer(nn.Module):
    def __init__(self, channels, causal):
        super().__init__()
        self.res_blocks = nn.ModuleList(Chain(channels, k, causal) for k in KERNELS)

    def forward(self, x, lengths):
        return torch.stack([chain(x, lengths) for chain in self.res_blocks]).mean(0)


class Encoder(nn.Module):
    def __init__(self, rates, channels, latent):
        super().__init__()
        widths = [channels * 2**i for i in range(len(rates) + 1)]
        self.rates = rates
        self.pre_conv = Conv(1, channels, 7)
        self.res_layers = nn.ModuleList(ResLayer(w, False) for w in widths[:-1])
        self.down_sample_conv_layers = nn.ModuleList(Conv(w, 2 * w, 2 * r, r) for w, r in zip(widths, rates))
        self.post_conv = Conv(widths[-1], latent, 7)

    def forward(self, audio, lengths):
        x = self.pre_conv(audio[:, None], lengths)
        for rate, res, down in zip(self.rates, self.res_layers, self.down_sample_conv_layers):
            x = leaky(res(x, lengths))
            lengths = lengths // rate
            x = down(x, lengths)
        return self.post_conv(leaky(x), lengths), lengths


class Decoder(nn.Module):
    def __init__(self, rates, channels, latent):
        super().__init__()
        widths = [channels // 2**i for i in range(len(rates) + 1)]
        self.rates = rates
        self.pre_conv = CausalConv(latent, channels, 7)
        self.activations = nn.ModuleList(Activation(w, True) for w in widths[:-1])
        self.up_sample_conv_layers = nn.ModuleList(CausalUp(w, w // 2, r) for w, r in zip(widths, rates))
        self.res_layers = nn.ModuleList(ResLayer(w, True) for w in widths[1:])
        self.post_activation = Activation(widths[-1], True)
        self.post_conv = CausalConv(widths[-1], 1, 3)

    def forward(self, x, lengths):
        x = self.pre_conv(x, lengths)
        for rate, act, up, res in zip(self.rates, self.activations, self.up_sample_conv_layers, self.res_layers):
            lengths = lengths * rate
            x = res(up(act(x), lengths), lengths)
        x = self.post_conv(self.post_activation(x), lengths)[:, 0]
        kinks.append((x.abs() - 1).abs().min().item())
        return x.clamp(-1, 1), lengths


class FSQ(nn.Module):
    def __init__(self, levels):
        super().__init__()
        L = torch.tensor(levels, dtype=torch.int32).view(1, -1, 1)
        self.register_buffer("num_levels", L)
        self.register_buffer("dim_base_index", torch.cumprod(torch.cat([torch.ones(1, 1, 1), L[:, :-1]], 1), 1).int())

    def forward(self, x, lengths):
        """[B, D, T] -> values, codes [B, T], distance of the nearest boundary"""
        L, half = self.num_levels.to(x.dtype), self.num_levels // 2
        scale, offset = (L - 1) / 2 * (1 - 1e-3), torch.where(L % 2 == 0, 0.5, 0.0)
        y = scale * torch.tanh(x + torch.tan(offset / scale)) - offset
        k = y + (y.round() - y).detach()
        codes = ((k.detach().round().int() + half) * self.dim_base_index).sum(1, keepdim=True)
        margin = ((y - y.floor() - 0.5).abs() + 1e3 * (1 - mask(torch.ones_like(y), lengths))).min()
        return mask(k / half, lengths), mask(codes, lengths)[:, 0].int(), margin.item()


class Quantizer(nn.Module):
    def __init__(self, groups, levels):
        super().__init__()
        self.fsqs = nn.ModuleList(FSQ(levels) for _ in range(groups))

    def forward(self, x, lengths):
        values, codes, margins = zip(*(fsq(part, lengths) for fsq, part in zip(self.fsqs, x.chunk(len(self.fsqs), 1))))
        return torch.cat(values, 1), torch.stack(codes), min(margins)


class Codec(nn.Module):
    def __init__(self, a):
        super().__init__()
        latent = a.groups * len(a.levels)
        self.audio_encoder = Encoder(a.down, a.encoder, latent)
        self.vector_quantizer = Quantizer(a.groups, a.levels)
        self.audio_decoder = Decoder(a.up, a.decoder, latent)


def randomize(model):
    """Float32 values of a size that keeps signals near 1 through all layers."""
    for name, p in model.named_parameters():
        if name.endswith("original1"):
            p.data = torch.randn_like(p)
        elif name.endswith("original0"):
            p.data = (4 if name.startswith("audio_encoder.post") else 1) * (0.5 + torch.rand_like(p))
        elif name.endswith("alpha"):
            p.data = 0.2 + 2 * torch.rand_like(p)
        else:
            p.data = 0.1 * torch.randn_like(p)
        p.data = p.data.float().double()


def run(a, seed):
    torch.manual_seed(seed)
    model = Codec(a).double()
    randomize(model)
    hop = math.prod(a.down)
    samples = torch.tensor(a.samples)
    frames = (samples + hop - 1) // hop
    S = int(frames.max()) * hop
    t = torch.arange(S).double()
    waves = [0.5 * torch.sin(0.11 * (b + 1) * t) + 0.2 * torch.randn(S).double() for b in range(len(samples))]
    audio = mask(torch.stack(waves)[:, None], samples)[:, 0].float().double()
    latent, lengths = model.audio_encoder(audio, frames * hop)
    assert torch.equal(lengths, frames)
    dequantized, codes, margin = model.vector_quantizer(latent, frames)
    wav, wav_len = model.audio_decoder(dequantized, frames)
    return model, margin, dict(audio=audio, samples=samples, latent=latent, frames=frames, codes=codes, dequantized=dequantized, wav=wav, wav_len=wav_len)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--out", default=str(pathlib.Path(__file__).with_name("golden-small")))
    p.add_argument("--down", type=int, nargs="+", default=[3, 2, 4])
    p.add_argument("--up", type=int, nargs="+", default=[4, 3, 2])
    p.add_argument("--encoder", type=int, default=3, help="channels of the encoder's first convolution")
    p.add_argument("--decoder", type=int, default=24, help="channels of the decoder's first convolution")
    p.add_argument("--groups", type=int, default=8)
    p.add_argument("--levels", type=int, nargs="+", default=[8, 7, 6, 6])
    p.add_argument("--samples", type=int, nargs="+", default=[190, 120, 61], help="of each item; not always whole frames")
    p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    torch.set_num_threads(1)
    while True:
        kinks.clear()
        model, margin, o = run(a, a.seed)
        if margin > 1e-3 and min(kinks) > 2e-6:
            break
        a.seed += 1
    valid = mask(torch.ones_like(o["wav"])[:, None], o["wav_len"])[:, 0]
    loss = (((o["wav"] - o["audio"]) * valid) ** 2).sum() / valid.sum()
    loss.backward()

    out = pathlib.Path(a.out)
    out.mkdir(exist_ok=True)
    f32 = lambda x: (x.detach().float() if x.is_floating_point() else x).contiguous()
    save_file({k: f32(v) for k, v in model.state_dict().items()}, out / "weights.safetensors")
    save_file({"grad." + k: f32(v.grad) for k, v in model.named_parameters()}, out / "grads.safetensors")
    names = dict(audio="in.audio", samples="in.audio_len")
    io = {names.get(k, "out." + k): f32(v) for k, v in o.items()} | {"out.loss": loss.detach().view(1)}
    save_file(io, out / "io.safetensors")
    about = {
        "what": "codec of codec.golden.py, random weights, run in float64, stored as float32",
        "made_by": f"codec.golden.py, PyTorch {torch.__version__.split('+')[0]}, seed {a.seed}",
        "encoder_base_channels": a.encoder, "decoder_base_channels": a.decoder, "down_sample_rates": a.down, "up_sample_rates": a.up,
        "groups": a.groups, "levels": a.levels, "sample_rate": 22050,
        "loss": "mean over out.wav_len samples of (wav - audio)^2; straight-through gradient through the rounding",
        "wav_std": o["wav"][valid > 0].std().item(), "latent_std": o["latent"].std().item(), "codes_distinct": len(o["codes"].unique()), "kink": min(kinks),
        "clamped": (((o["wav"].abs() == 1) * valid).sum() / valid.sum()).item(), "margin": margin,
        "tensors": {
            "in.audio": "[B, S], zero beyond in.audio_len; S: whole frames", "in.audio_len": "[B] samples",
            "out.latent": "[B, GD, T]", "out.frames": "[B]", "out.codes": "[G, B, T] int32, 0 beyond out.frames",
            "out.dequantized": "[B, GD, T]", "out.wav": "[B, S]", "out.wav_len": "[B] samples, whole frames", "out.loss": "[1]",
            "grad.<name>": "d loss / d parameter",
        },
    }  # fmt: skip
    (out / "README.json").write_text(json.dumps(about, indent=1) + "\n")
    print({k: v for k, v in about.items() if k not in ("tensors", "what")})


if __name__ == "__main__":
    main()
