"""Golden tensors of group_advantages, group by group in float64.

    python native/rl/group_advantages/group_advantages.golden.py        # PyTorch 2.13.0, CPU; seed 36; no other input
"""
import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "test"))
import golden

torch.manual_seed(36)
out = golden.Recorder(__file__)


def record(case, rewards, mask=None, **attrs):
    keep = torch.ones_like(rewards, dtype=torch.bool) if mask is None else mask != 0
    advantages, valid = torch.zeros_like(rewards), torch.zeros(len(rewards), dtype=torch.int32)
    for p in range(len(rewards)):
        r = rewards[p][keep[p]]
        std = r.std(correction=0) if len(r) > 1 else torch.zeros(())
        if len(r) < 2 or (r == r[0]).all() or std <= attrs.get("min_std", 0.0):
            continue
        valid[p] = 1
        scale = max(std.item(), attrs.get("std_floor", 0.05)) if attrs.get("scale") == "std" else 1.0
        advantages[p, keep[p]] = (r - r.mean()) / scale
    out.record("group_advantages", case, attrs, {"rewards": rewards, "mask": mask}, {"advantages": advantages, "valid": valid})


rewards = torch.rand(5, 7).double()
rewards[1] = 0.1  # no differences; 0.1 is not a binary fraction
rewards[2] = 0.5 + 1e-3 * torch.rand(7)
mask = torch.ones(5, 7, dtype=torch.int32)
mask[0, 3:5] = 0
mask[3, 1:] = 0
mask[4] = 0
record("centred", rewards)
record("by std, floor", rewards, scale="std", std_floor=0.05)
record("masked", rewards, mask, scale="std", std_floor=1e-4)
record("least deviation", rewards, min_std=0.01)
out.save()
