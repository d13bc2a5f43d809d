"""Golden tensors of half_snake and leaky_relu, from PyTorch in float64.

    python native/ops/snake/snake.golden.py        # PyTorch 2.13.0, CPU; seed 32; no other input
"""
import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "test"))
import golden

torch.manual_seed(32)
out = golden.Recorder(__file__)
for case, (B, C, T) in {"half_snake, odd": (2, 5, 13), "half_snake, even": (1, 6, 7)}.items():
    x = (3 * torch.randn(B, C, T).double()).requires_grad_()
    alpha = (torch.rand(C // 2).double() * 3 + 0.05).requires_grad_()
    first, rest = x[:, : C // 2], x[:, C // 2 :]
    a = alpha[None, :, None]
    y = torch.cat([first + torch.sin(a * first) ** 2 / (a + 1e-9), torch.nn.functional.leaky_relu(rest, 0.01)], 1)
    out.record("half_snake", case, {}, {"x": x, "alpha": alpha}, {"y": y})
x = torch.randn(3, 17).double()
x[0, 0] = 0  # the gradient at 0 is the slope
x.requires_grad_()
out.record("leaky_relu", "leaky_relu", {"slope": 0.1}, {"x": x}, {"y": torch.nn.functional.leaky_relu(x, 0.1)})
x, alpha = (3 * torch.randn(2, 3, 5).double()).requires_grad_(), torch.tensor([0.7]).double().requires_grad_()
y = torch.cat([x[:, :1] + torch.sin(alpha * x[:, :1]) ** 2 / (alpha + 1e-9), torch.nn.functional.leaky_relu(x[:, 1:], 0.01)], 1)
out.record("half_snake", "half_snake, zeros before", {"pad_left": 2}, {"x": x, "alpha": alpha}, {"y": torch.nn.functional.pad(y, (2, 0))})
out.save()
