"""Golden tensors of embedding, codebook_embedding and add_positions: PyTorch in float64, and its gradients.

    python native/ops/embedding/embedding.golden.py        # PyTorch 2.13.0, CPU; seed 43; no other input
"""
import pathlib
import sys

import torch
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "test"))
import golden

torch.manual_seed(43)
torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
out = golden.Recorder(__file__)


def leaf(*shape):
    return torch.randn(*shape).requires_grad_()


def embedding(case, ids, V, C):
    ids, table = torch.tensor(ids, dtype=torch.int32), leaf(V, C)
    y = F.embedding(ids.clamp(min=0), table).masked_fill((ids < 0).unsqueeze(-1), 0.0)
    out.record("embedding", case, {}, {"ids": ids, "table": table}, {"y": y})


def codebook_embedding(case, B, K, Ts, V, C, stack):
    """One table a codebook and slot, as a model has them, summed frame by frame."""
    codes, tables = torch.randint(V, (B, K, Ts), dtype=torch.int32), leaf(stack * K * V, C)
    frames = []
    for u in range(Ts // stack):
        rows = [F.embedding(codes[:, c, u * stack + i], tables.view(stack * K, V, C)[c + i * K]) for i in range(stack) for c in range(K)]
        frames.append(sum(rows) / (K * stack))
    out.record("codebook_embedding", case, {"stack": stack}, {"codes": codes, "table": tables}, {"y": torch.stack(frames, 1)})


def add_positions(case, B, T, C, P, offset):
    x, table = leaf(B, T, C), leaf(P, C)
    out.record("add_positions", case, {"offset": offset}, {"x": x, "table": table}, {"y": x + table[offset : offset + T]})


embedding("repeated and negative ids", [[2, 2, -1, 0], [6, 2, 5, -3]], 7, 5)
codebook_embedding("one frame a row", 2, 3, 4, 5, 7, 1)
codebook_embedding("stacks of two", 2, 3, 6, 4, 5, 2)
add_positions("offset", 3, 4, 5, 7, 2)
out.save()
