"""Golden tensors of adamw (torch.optim.AdamW in float64) and grad_norm (torch.nn.utils.clip_grad_norm_).

    python native/optim/optim.golden.py        # PyTorch 2.13.0, CPU; seed 37; no other input
"""
import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "test"))
import golden

torch.manual_seed(37)
out = golden.Recorder(__file__)


def record(case, N, steps, grad_scale=1.0, **attrs):
    """The last of `steps` steps, from the state that the earlier ones left."""
    p = torch.nn.Parameter(torch.randn(N).double())
    optimizer = torch.optim.AdamW([p], lr=attrs["lr"], betas=(attrs["beta1"], attrs["beta2"]), eps=attrs["eps"],
                                  weight_decay=attrs["weight_decay"])
    for step in range(1, steps + 1):
        grads, state = torch.randn(N).double(), optimizer.state.get(p, {})
        before = {"params": p.detach().clone(), "grads": grads}
        before.update({name: state[name].clone() if state else torch.zeros(N).double() for name in ("exp_avg", "exp_avg_sq")})
        p.grad = grads * grad_scale
        optimizer.step()
    after = {"new_params": p.detach(), "new_exp_avg": optimizer.state[p]["exp_avg"], "new_exp_avg_sq": optimizer.state[p]["exp_avg_sq"]}
    out.record("adamw", case, {**attrs, "step": steps, "grad_scale": grad_scale}, before, after)


record("first step", 53, 1, lr=1e-2, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.01)
record("seventh step", 67, 7, lr=3e-3, beta1=0.8, beta2=0.99, eps=1e-6, weight_decay=0.1, grad_scale=0.37)
record("no decay", 31, 3, lr=1e-3, beta1=0.9, beta2=0.95, eps=1e-8, weight_decay=0.0)

p = torch.nn.Parameter(torch.zeros(101).double())
p.grad = torch.randn(101).double()
grads = p.grad.clone()
out.record("grad_norm", "norm", {}, {"grads": grads},
           {"norm": torch.nn.utils.clip_grad_norm_([p], 1e9)[None], "nonfinite": torch.zeros(1, dtype=torch.int32)})
out.save()
