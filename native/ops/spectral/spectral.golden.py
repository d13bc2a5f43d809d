"""Golden tensors of the spectral ops, from torch.stft and autograd in float64.

    python native/ops/spectral/spectral.golden.py        # PyTorch 2.13.0, NumPy 2.4, CPU; seed 20; no other input

Ragged batches are computed item by item, each cut to its length, so the file also says what padding must not change.
The mel filters are built here by interpolation from the published break points of Slaney's and of the HTK scale.
"""
import pathlib
import sys

import numpy as np
import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "test"))
import golden

torch.manual_seed(20)
torch.set_num_threads(1)
recorder = golden.Recorder(__file__)


def window_of(kind, size):
    return torch.hann_window(size, periodic=kind == "hann", dtype=torch.float64)


def stft_item(x, window, a):
    """Complex [F, T] of one item, or no frames."""
    n = a["n_fft"]
    half = 0 if a.get("pad", "none") == "none" else n // 2
    if len(x) == 0 or len(x) + 2 * half < n:
        return torch.zeros(n // 2 + 1, 0, dtype=torch.complex128)
    if half:
        # numpy folds as often as needed, torch only once; both agree where torch is defined
        mode = "reflect" if a["pad"] == "reflect" else "constant"
        index = np.pad(np.arange(len(x)), half, mode=mode, **({} if mode == "reflect" else {"constant_values": -1}))
        x = torch.where(torch.tensor(index >= 0), x[torch.tensor(index.clip(0))], torch.tensor(0.0, dtype=x.dtype))
    return torch.stft(x, n, a["hop"], len(window), window, center=False, normalized=a.get("normalized", False), return_complex=True)


def stack(items):
    frames = max(i.shape[-1] for i in items)
    return torch.stack([torch.nn.functional.pad(i, (0, frames - i.shape[-1])) for i in items])


def slaney(f):
    return np.where(f < 1000, 3 * f / 200, 15 + 27 * np.log(np.maximum(f, 1e-9) / 1000) / np.log(6.4))


def mel_bank(a):
    low, high = a.get("f_min", 0.0), a.get("f_max", 0.0) or a["sample_rate"] / 2
    grid = np.linspace(0, a["sample_rate"] / 2, a["n_fft"] // 2 + 1)
    if a.get("scale") == "htk":
        mel = np.linspace(2595 * np.log10(1 + low / 700), 2595 * np.log10(1 + high / 700), a["n_mels"] + 2)
        edges = 700 * (10 ** (mel / 2595) - 1)
    else:
        mel = np.linspace(slaney(np.array(low)), slaney(np.array(high)), a["n_mels"] + 2)
        edges = np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))
    rows = [np.interp(grid, edges[m : m + 3], [0, 1, 0]) for m in range(a["n_mels"])]
    if a.get("norm") == "slaney":
        rows = [r / ((edges[m + 2] - edges[m]) / 2) for m, r in enumerate(rows)]
    return torch.tensor(np.stack(rows))


def record(op, case, attrs, inputs, compute, wanted):
    """One case: `compute` maps the inputs to the outputs, `wanted` names the inputs with a gradient."""
    leaves = {k: v.clone().requires_grad_(k in wanted) for k, v in inputs.items()}
    recorder.record(op, case, attrs, leaves, compute(leaves))


def wave(B, S, lengths=None):
    inputs = {"x": torch.randn(B, S, dtype=torch.float64)}
    if lengths:
        inputs["lengths"] = torch.tensor(lengths, dtype=torch.int32)
    return inputs


def items(leaves):
    lengths = leaves["lengths"].tolist() if "lengths" in leaves else [leaves["x"].shape[1]] * len(leaves["x"])
    return [x[:n] for x, n in zip(leaves["x"], lengths)]


def stft(case, attrs, inputs, window):
    def compute(l):
        spectra = stack([stft_item(x, window, attrs) for x in items(l)])
        return {"y": torch.cat([spectra.real, spectra.imag], 1)}

    record("stft", case, attrs, inputs | {"window": window}, compute, ["x"])


def log_stft(case, attrs, inputs):
    window = window_of(attrs.get("window", "hann"), attrs.get("win") or attrs["n_fft"])

    def compute(l):
        magnitudes = [(torch.view_as_real(stft_item(x, window, attrs)).pow(2).sum(-1) + attrs["eps"]).sqrt() for x in items(l)]
        return {"y": stack([(m + attrs["offset"]).log() for m in magnitudes]), "magnitude": stack(magnitudes)}

    record("log_stft", case, attrs, inputs, compute, ["x"])


def log_mel(case, attrs, inputs):
    window = window_of(attrs.get("window", "hann"), attrs.get("win") or attrs["n_fft"])
    bank, power = mel_bank(attrs), attrs.get("power", 1)

    def compute(l):
        rows = []
        for x in items(l):
            x = torch.cat([x[:1], x[1:] - attrs.get("pre_emphasis", 0) * x[:-1]])
            square = torch.view_as_real(stft_item(x, window, attrs)).pow(2).sum(-1) + attrs.get("eps", 0)
            rows.append((bank @ (square if power == 2 else square.sqrt()) + attrs["offset"]).log())
        return {"y": stack(rows)}

    record("log_mel", case, attrs, inputs, compute, ["x"])


def losses(B, C, T, lengths):
    inputs = {"a": torch.rand(B, C, T, dtype=torch.float64), "b": torch.rand(B, C, T, dtype=torch.float64)}
    inputs["lengths"] = torch.tensor(lengths, dtype=torch.int32)
    mask = (torch.arange(T)[None, :] < torch.tensor(lengths)[:, None])[:, None, :]

    def l1(l):
        per_frame = ((l["a"] - l["b"]).abs() * mask).mean(1)
        return {"loss": (per_frame.sum(1) / l["lengths"].clamp(min=1)).mean()[None]}

    def convergence(l):
        return {"loss": (torch.linalg.norm((l["a"] - l["b"]) * mask) / torch.linalg.norm(l["b"] * mask))[None]}

    record("masked_l1", "masked_l1, ragged", {}, inputs, l1, ["a", "b"])
    record("spectral_convergence", "spectral_convergence, ragged", {}, inputs, convergence, ["a", "b"])


hann = window_of("hann", 24)
stft("stft, reflected, normalized", {"n_fft": 24, "hop": 13, "pad": "reflect", "normalized": True}, wave(2, 31, [31, 19]), hann)
stft("stft, no padding, short window", {"n_fft": 30, "hop": 11, "pad": "none"}, wave(1, 55), torch.rand(17, dtype=torch.float64))
stft("stft, items shorter than the padding", {"n_fft": 20, "hop": 5, "pad": "reflect"}, wave(4, 7, [7, 1, 0, 3]), window_of("hann_symmetric", 20))
log_stft("log_stft, codec", {"n_fft": 20, "hop": 9, "window": "hann_symmetric", "pad": "reflect", "eps": 1e-5, "offset": 1.0}, wave(2, 31, [31, 17]))
log_stft("log_stft, small recipe", {"n_fft": 40, "hop": 17, "win": 33, "pad": "zero", "eps": 1e-7, "offset": 0.01}, wave(1, 35))
log_mel("log_mel, codec", {"sample_rate": 22050, "n_fft": 32, "hop": 8, "window": "hann_symmetric", "pad": "zero", "n_mels": 5, "eps": 1e-5, "offset": 1.0}, wave(2, 45, [45, 26]))
log_mel("log_mel, speaker front end", {"sample_rate": 16000, "n_fft": 512, "hop": 160, "win": 400, "window": "hann_symmetric", "pad": "zero", "n_mels": 80, "norm": "slaney", "power": 2, "offset": 2.0**-24, "pre_emphasis": 0.97}, wave(1, 159))
log_mel("log_mel, judges", {"sample_rate": 22050, "n_fft": 1024, "hop": 256, "pad": "zero", "n_mels": 80, "offset": 0.01}, wave(1, 130))
log_mel("log_mel, htk band", {"sample_rate": 8000, "n_fft": 60, "hop": 15, "pad": "none", "n_mels": 6, "scale": "htk", "f_min": 100.0, "f_max": 3500.0, "offset": 0.1}, wave(1, 90))
losses(3, 3, 7, [7, 0, 4])

recorder.save()
