"""The codec in PyTorch: the network of ../../native/codec as a user who knows PyTorch well would write it.

Weight norm is folded away before decoding and encoding, residual branches add in place where nothing has to be
remembered, and AdamW is fused. A stream's convolutions keep the inputs that later outputs still see. `--compile` gives
the whole network to torch.compile, with frozen weights where nothing is learnt.
"""

import sys

import torch
import torch.nn.functional as F
from peer import median_ms, peak_rss_mib, serve
from torch import nn
from torch.nn.utils.parametrizations import weight_norm
from torch.nn.utils.parametrize import remove_parametrizations

torch.manual_seed(0)
COMPILED = "--compile" in sys.argv
WINDOWS = [(32, 5), (64, 10), (128, 20), (256, 40), (512, 80), (1024, 160)]


class Conv(nn.Module):
    """At the same rate: causal with zeros or the portion before to its left, or with the edges repeated on both sides."""

    def __init__(self, inputs, outputs, kernel, dilation=1, causal=True):
        super().__init__()
        reach = (kernel - 1) * dilation
        self.pad = (reach, 0) if causal else (reach // 2, reach // 2)
        self.mode = "constant" if causal else "replicate"
        self.conv = weight_norm(nn.Conv1d(inputs, outputs, kernel, dilation=dilation))
        self.past = None

    def forward(self, x):
        if self.past is None:
            return self.conv(F.pad(x, self.pad, self.mode))
        x = torch.cat([self.past, x], -1)
        self.past.copy_(x[..., -self.pad[0] :])
        return self.conv(x)


class Down(nn.Module):
    def __init__(self, inputs, outputs, rate):
        super().__init__()
        self.pad = (rate + 1) // 2
        self.conv = weight_norm(nn.Conv1d(inputs, outputs, 2 * rate, rate))

    def forward(self, x):
        return self.conv(F.pad(x, (self.pad, self.pad), "replicate"))


class Up(nn.Module):
    def __init__(self, inputs, outputs, rate):
        super().__init__()
        self.rate = rate
        self.conv = weight_norm(nn.ConvTranspose1d(inputs, outputs, 2 * rate, rate, groups=outputs))
        self.past = None

    def forward(self, x):
        if self.past is None:
            return self.conv(x)[..., : x.shape[-1] * self.rate]
        x = torch.cat([self.past, x], -1)
        self.past.copy_(x[..., -1:])
        return self.conv(x)[..., self.rate : x.shape[-1] * self.rate]


class HalfSnake(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1, channels // 2, 1))

    def forward(self, x):
        periodic, rest = x.split([self.alpha.shape[1], x.shape[1] - self.alpha.shape[1]], 1)
        return torch.cat([periodic + torch.sin(self.alpha * periodic).square() / (self.alpha + 1e-9), F.leaky_relu(rest)], 1)


class Block(nn.Module):
    def __init__(self, channels, kernel, dilation, causal):
        super().__init__()
        activation = (lambda: HalfSnake(channels)) if causal else (lambda: nn.LeakyReLU())
        self.branch = nn.Sequential(
            activation(),
            Conv(channels, channels, kernel, dilation, causal),
            activation(),
            Conv(channels, channels, kernel, 1, causal),
        )

    def forward(self, x):
        return x + self.branch(x)


class Residual(nn.Module):
    def __init__(self, c, channels, causal):
        super().__init__()
        chain = lambda kernel: nn.Sequential(*(Block(channels, kernel, d, causal) for d in c["resDilations"]))
        self.chains = nn.ModuleList(chain(kernel) for kernel in c["resKernels"])

    def forward(self, x):
        return sum(chain(x) for chain in self.chains) / len(self.chains)


class Codec(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.groups, self.sample_rate = c["groups"], c["sampleRate"]
        levels = torch.tensor(c["levels"])
        self.register_buffer("levels", levels.view(-1, 1), persistent=False)
        places = torch.cat([torch.ones(1, dtype=torch.long), levels.cumprod(0)[:-1]])
        self.register_buffer("places", places.view(-1, 1), persistent=False)
        widths = [c["encoderChannels"] * 2**i for i in range(len(c["downSampleRates"]) + 1)]
        stages = [
            nn.Sequential(Residual(c, width, False), nn.LeakyReLU(), Down(width, 2 * width, rate))
            for width, rate in zip(widths, c["downSampleRates"])
        ]
        post = Conv(widths[-1], c["latent"], 7, causal=False)
        self.encoder = nn.Sequential(Conv(1, widths[0], 7, causal=False), *stages, nn.LeakyReLU(), post)
        widths = [c["decoderChannels"] // 2**i for i in range(len(c["upSampleRates"]) + 1)]
        stages = [
            nn.Sequential(HalfSnake(width), Up(width, width // 2, rate), Residual(c, width // 2, True))
            for width, rate in zip(widths, c["upSampleRates"])
        ]
        post = Conv(widths[-1], 1, 3)
        self.decoder = nn.Sequential(Conv(c["latent"], widths[0], 7), *stages, HalfSnake(widths[-1]), post)

    def quantise(self, latent):
        """[B, G D, T] -> values of the decoder, straight through the rounding, and codes [B, G, T]."""
        x = latent.unflatten(1, (self.groups, -1))
        half = self.levels // 2
        even = (self.levels % 2 == 0) * 0.5
        scale = (self.levels - 1) / 2 * (1 - 1e-3)
        y = scale * torch.tanh(x + torch.tan(even / scale)) - even
        k = y + (y.round() - y).detach()
        codes = ((k.detach().long() + half) * self.places).sum(2)
        return (k / half).flatten(1, 2), codes

    def dequantise(self, codes):
        """[B, G, T] -> [B, G D, T]"""
        k = codes[:, :, None] // self.places % self.levels
        return ((k - self.levels // 2) / (self.levels // 2)).flatten(1, 2)

    def encode(self, wav):
        return self.quantise(self.encoder(wav[:, None]))[1]

    def decode(self, codes):
        return self.decoder(self.dequantise(codes))[:, 0].clamp(-1, 1)

    def start_stream(self, items):
        for module in self.decoder.modules():
            if isinstance(module, (Conv, Up)):
                module.past = torch.zeros(items, module.conv.in_channels, module.pad[0] if isinstance(module, Conv) else 1)

    def loss(self, wav, filters, windows):
        """Log mel spectra, and twenty times log magnitudes, at six resolutions."""
        decoded = self.decoder(self.quantise(self.encoder(wav[:, None]))[0])[:, 0].clamp(-1, 1)
        both = torch.cat([decoded, wav])
        total = 0
        for (n_fft, _), filter, window in zip(WINDOWS, filters, windows):
            hop = n_fft // 4
            for pad, weight in ("constant", 1), ("reflect", 20):
                s = torch.stft(both, n_fft, hop, n_fft, window, pad_mode=pad, return_complex=True)
                magnitude = (torch.view_as_real(s).square().sum(-1) + 1e-5).sqrt()
                if pad == "constant":
                    magnitude = filter @ magnitude
                total = total + weight * F.l1_loss(*torch.log(magnitude + 1).chunk(2)) / len(WINDOWS)
        return total


def mel_filters(n_fft, mels, sample_rate):
    """Triangles [mels, bins], evenly spaced on a logarithmic scale of pitch: their number is what counts here."""
    mel = lambda f: 2595 * torch.log10(1 + f / 700)
    edges = 700 * (10 ** (torch.linspace(0, mel(torch.tensor(sample_rate / 2)), mels + 2) / 2595) - 1)
    bins = torch.linspace(0, sample_rate / 2, n_fft // 2 + 1)
    low, top, high = (edges[i : i + mels, None] for i in range(3))
    return torch.minimum((bins - low) / (top - low), (high - bins) / (high - top)).clamp(min=0)


def fold(model):
    """Weights in place of their direction and length."""
    for module in list(model.modules()):
        if hasattr(module, "parametrizations"):
            remove_parametrizations(module, "weight")
    return model.eval()


def task_of(model, config, task, items, frames, portion=None):
    portion = portion or frames
    if task in ("decode", "stream"):
        size = int(torch.tensor(config["levels"]).prod())
        data, work = torch.randint(size, (items, config["groups"], portion)), fold(model).decode
    else:
        hop = int(torch.tensor(config["downSampleRates"]).prod())
        data = 0.5 * torch.rand(items, frames * hop) - 0.25
        work = fold(model).encode if task == "encode" else model.loss
    if COMPILED:
        torch._inductor.config.freezing = task != "train"
        work = torch.compile(work, dynamic=False)
    if task == "stream":
        model.start_stream(items)
    if task != "train":
        run = torch.no_grad() if COMPILED else torch.inference_mode()
        return run(lambda: [work(data) for _ in range(frames // portion)][-1])
    filters = [mel_filters(n_fft, mels, config["sampleRate"]) for n_fft, mels in WINDOWS]
    windows = [torch.hann_window(n_fft, periodic=False) for n_fft, _ in WINDOWS]
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4, fused=True)

    def step():
        optimizer.zero_grad(set_to_none=True)
        work(data, filters, windows).backward()
        optimizer.step()

    return step


step, count = None, None


def answer(request):
    global step, count
    if step is None:
        model = Codec(request["config"])
        count = sum(p.numel() for p in model.parameters())
        step = task_of(model, **request)
        step()
    return {"ms": median_ms(step, 300, 1), "parameters": count, "rssMiB": peak_rss_mib()}


if __name__ == "__main__":
    serve(answer)
