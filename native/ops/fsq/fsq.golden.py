"""Golden tensors of fsq_encode and fsq_decode, from the published formulas in PyTorch.

    python native/ops/fsq/fsq.golden.py        # PyTorch 2.13.0, CPU; seed 33; no other input

Every third code of the published levels is decoded. The encoder's latents reach past the outermost cells; none lies within
1e-4 of a boundary between two cells, so that f32 and f64 give the same codes.
"""
import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "test"))
import golden

torch.manual_seed(33)
out = golden.Recorder(__file__)


def parts(levels):
    L = torch.tensor(levels)[None, None, :, None]  # [1, 1, D, 1]
    base = torch.cumprod(torch.tensor([1] + levels[:-1]), 0)[None, None, :, None]
    return L, L // 2, base


def compress(x, levels):
    """[B, G, D, T]"""
    L = parts(levels)[0].double()
    scale, offset = (L - 1) / 2 * (1 - 1e-3), torch.where(L % 2 == 0, 0.5, 0.0).double()
    return scale * torch.tanh(x + torch.tan(offset / scale)) - offset


def encode(case, B, G, T, levels, lengths):
    D = len(levels)
    L, half, base = parts(levels)
    x = (1.3 * torch.randn(B, G, D, T)).double()
    while (near := ((compress(x, levels) % 1 - 0.5).abs() < 1e-4)).any():
        x = torch.where(near, x + 1e-3, x)
    x = x.reshape(B, G * D, T).requires_grad_()
    y = compress(x.view(B, G, D, T), levels)
    y = y + (y.round() - y).detach()
    mask = (torch.arange(T)[None] < torch.tensor(lengths)[:, None])[:, None]
    codes = ((y.detach() + half) * base).sum(2) * mask
    out.record("fsq_encode", case, {},
               {"latent": x, "levels": torch.tensor(levels, dtype=torch.int32), "lengths": torch.tensor(lengths, dtype=torch.int32)},
               {"dequantized": (y / half).reshape(B, G * D, T) * mask, "codes": codes.round().int()})


encode("encode, published levels", 2, 8, 5, [8, 7, 6, 6], [5, 3])
encode("encode, other levels", 1, 4, 7, [9, 8, 8, 7], [7])
L, half, base = parts([8, 7, 6, 6])
codes = torch.arange(0, 2016, 3).view(1, 8, 1, 84)
values = ((torch.div(codes, base, rounding_mode="floor") % L - half).double() / half).reshape(1, 32, 84)
out.record("fsq_decode", "decode, every third code", {}, {"codes": codes.view(1, 8, 84).int(), "levels": torch.tensor([8, 7, 6, 6], dtype=torch.int32)},
           {"dequantized": values.float()}, tolerance64=1e-6)
out.save()
