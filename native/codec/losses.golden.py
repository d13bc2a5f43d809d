#!/usr/bin/env python3
"""Golden tensors of the codec's discriminators and losses, from PyTorch modules, torch.stft and autograd in float64.

    python native/codec/losses.golden.py       # PyTorch 2.13.0, NumPy 2.4, CPU; seed 41; writes golden-losses.safetensors

Small networks (periods 2 and 3, two bands of one resolution) with random weights; the losses at their published six
resolutions. Stored: the two batches, the weights under their published names, every loss, the gradient of the codec's
loss with respect to the decoded batch, and those of the discriminators' loss with respect to the weights.
"""
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "test"))
import golden

SAMPLE_RATE, PERIODS, CHANNELS, BANDS = 22050, (2, 3), (2, 3, 3, 4, 4), ((0, 0.5), (0.5, 1))
N_FFT, HOP, BAND_CHANNELS = 128, 32, 3
RESOLUTIONS = [(32, 8, 5), (64, 16, 10), (128, 32, 20), (256, 64, 40), (512, 128, 80), (1024, 256, 160)]


class Conv(nn.Module):
    def __init__(self, inputs, outputs, kernel, stride=(1, 1)):
        super().__init__()
        pad = (kernel[0] // 2, kernel[1] // 2)
        self.conv = weight_norm(nn.Conv2d(inputs, outputs, kernel, stride, pad, padding_mode="reflect"))

    def forward(self, x):
        return self.conv(x)


class Network(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        *layers, post = [Conv(*s) for s in sizes]
        self.conv_layers, self.conv_post = nn.ModuleList(layers), post

    def forward(self, x):
        features = []
        for layer in self.conv_layers:
            x = F.leaky_relu(layer(x), 0.1)
            features.append(x)
        x = self.conv_post(x)
        return x, features + [x]


class Periods(nn.Module):
    def __init__(self):
        super().__init__()
        widths = (1, *CHANNELS)
        strides = [(3, 1)] * (len(CHANNELS) - 1) + [(1, 1)]
        sizes = [(i, o, (5, 1), s) for i, o, s in zip(widths, CHANNELS, strides)] + [(CHANNELS[-1], 1, (3, 1))]
        self.discriminators = nn.ModuleList(Network(sizes) for _ in PERIODS)

    def forward(self, wav):
        for period, network in zip(PERIODS, self.discriminators):
            x = F.pad(wav[:, None], (0, -wav.shape[1] % period), mode="reflect")
            yield network(x.view(len(wav), 1, -1, period))


class Bands(nn.Module):
    def __init__(self):
        super().__init__()
        C = BAND_CHANNELS
        sizes = [(2, C, (3, 9)), *[(C, C, (3, 9), (1, 2))] * 3, (C, C, (3, 3)), (C, 1, (3, 3))]
        self.discriminators = nn.ModuleList(Network(sizes) for _ in BANDS)

    def forward(self, wav):
        window = torch.hann_window(N_FFT, periodic=False, dtype=wav.dtype)
        spectrum = torch.stft(wav, N_FFT, HOP, N_FFT, window, normalized=True, return_complex=True)
        planes = torch.view_as_real(spectrum).permute(0, 3, 2, 1)  # [B, 2, T, bins]
        for (low, high), network in zip(BANDS, self.discriminators):
            yield network(planes[..., int(low * planes.shape[3]) : int(high * planes.shape[3])])


class Resolutions(nn.Module):
    def __init__(self):
        super().__init__()
        self.discriminators = nn.ModuleList([Bands()])

    def forward(self, wav):
        for bands in self.discriminators:
            yield from bands(wav)


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.discriminators = nn.ModuleList([Periods(), Resolutions()])

    def forward(self, wav):
        """scores and features of each network"""
        return zip(*(judgement for kind in self.discriminators for judgement in kind(wav)))


def mel_filters(n_fft, mels):
    """Slaney's scale, triangles of height 1."""
    slaney = lambda f: np.where(f < 1000, 3 * f / 200, 15 + 27 * np.log(np.maximum(f, 1e-9) / 1000) / np.log(6.4))
    points = np.linspace(0, slaney(np.array(SAMPLE_RATE / 2)), mels + 2)
    edges = np.where(points < 15, points * 200 / 3, 1000 * np.exp((points - 15) * np.log(6.4) / 27))
    bins = np.linspace(0, SAMPLE_RATE / 2, n_fft // 2 + 1)
    return torch.tensor(np.stack([np.interp(bins, edges[m : m + 3], [0, 1, 0]) for m in range(mels)]))


def magnitude(x, n_fft, hop, pad):
    window = torch.hann_window(n_fft, periodic=False, dtype=x.dtype)
    s = torch.stft(x, n_fft, hop, n_fft, window, pad_mode=pad, return_complex=True)
    return torch.sqrt(torch.view_as_real(s).pow(2).sum(-1) + 1e-5)


def mel_loss(a, b):
    losses = []
    for n_fft, hop, mels in RESOLUTIONS:
        frames = a.shape[1] // hop  # the last frame of the transform is not counted
        filters = mel_filters(n_fft, mels)
        mel = lambda x: torch.log(filters @ magnitude(x, n_fft, hop, "constant") + 1)[..., :frames]
        losses.append((mel(a) - mel(b)).abs().mean())
    return torch.stack(losses).mean()


def stft_loss(a, b):
    log = lambda x, n_fft, hop: torch.log(magnitude(x, n_fft, hop, "reflect") + 1)
    return torch.stack([(log(a, n, h) - log(b, n, h)).abs().mean() for n, h, _ in RESOLUTIONS]).mean()


def mean(values):
    return torch.stack(list(values)).mean()


torch.manual_seed(41)
torch.set_num_threads(1)
model = Discriminator().double()
for name, p in model.named_parameters():
    p.data = torch.randn_like(p) if "original1" in name else 0.6 + torch.rand_like(p) if "original0" in name else 0.2 * torch.randn_like(p)
recorded = 0.5 * torch.randn(2, 601).double()
decoded = (recorded + 0.3 * torch.randn(2, 601).double()).requires_grad_()

real_scores, real_features = model(recorded)
scores, features = model(decoded)
loss_d = mean((((1 - r) ** 2).mean() + (g**2).mean()) / 2 for r, g in zip(real_scores, scores))
tensors = {f"grad.discriminator.{n}": g for (n, _), g in zip(model.named_parameters(), torch.autograd.grad(loss_d, list(model.parameters()), retain_graph=True))}
terms = {
    "waveform": ((decoded - recorded) ** 2).mean(), "mel": mel_loss(decoded, recorded), "stft": stft_loss(decoded, recorded),
    "adversarial": mean(((1 - g) ** 2).mean() for g in scores),
    "features": mean(mean((a - b).abs().mean() for a, b in zip(r, g)) for r, g in zip(real_features, features)),
}  # fmt: skip
for name, term in terms.items():
    tensors[f"out.{name}"] = term.view(1)
    tensors[f"grad.decoded.{name}"] = torch.autograd.grad(term, decoded, retain_graph=True)[0]
tensors |= {"in.recorded": recorded, "in.decoded": decoded, "out.discriminator": loss_d.view(1)}
tensors |= {f"discriminator.{n}": p for n, p in model.named_parameters()}
golden.save(pathlib.Path(__file__).with_name("golden-losses.safetensors"), tensors, {"made by": f"losses.golden.py, PyTorch {torch.__version__}"})
