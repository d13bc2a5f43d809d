"""Writes reference.{safetensors,ckpt,nemo} with the formats' own libraries: every storage type, views of every kind.

Made with Python 3.11, safetensors 0.8, torch 2.13:  python make_reference.py
"""

import io
import tarfile
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import save_file

here = Path(__file__).parent
special = [0.0, -0.0, 1.0, -2.5, float("inf"), float("-inf"), 2.0**-24, 65504.0]
tensors = {
    "f64": torch.tensor([[1.0, 1e300], [-0.1, 2.0**-1074]], dtype=torch.float64),
    "f32": torch.tensor([3.4028234663852886e38, -1.5, 1e-45], dtype=torch.float32),
    "f16": torch.tensor(special, dtype=torch.float16),
    "bf16": torch.tensor(special[:6] + [3.3895313892515355e38, 9.183549615799121e-41], dtype=torch.bfloat16),
    "i64": torch.tensor([2**31, -(2**53)], dtype=torch.int64),
    "i32": torch.tensor([-(2**31), 2**31 - 1], dtype=torch.int32),
    "i16": torch.tensor([-(2**15), 2**15 - 1], dtype=torch.int16),
    "i8": torch.tensor([-128, 127], dtype=torch.int8),
    "u8": torch.tensor([0, 255], dtype=torch.uint8),
    "bool": torch.tensor([True, False, True]),
    "scalar": torch.tensor(7.0),
    "empty": torch.zeros(2, 0, 3),
    "näme/\"quoted\"": torch.ones(1),
}
save_file(tensors, here / "reference.safetensors", metadata={"format": "pt", "note": "ü"})

counting = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
views = {
    "tied.a": counting,
    "tied.b": counting,
    "slice": counting[1, 1:],
    "transposed": counting.transpose(0, 2),
    "stepped": counting[:, ::2, 1::2],
    "repeated": torch.arange(4.0)[1:2].expand(3),
    "parameter": torch.nn.Parameter(torch.tensor([1.0, 2.0])),
}
state = OrderedDict({**tensors, **views})
state._metadata = OrderedDict({"": {"version": 1}})
torch.save(state, here / "reference.ckpt")

config = b"target: example.Model\nembedding_dim: 2\n"
with tarfile.open(here / "reference.nemo", "w:") as archive:
    for name, data in [
        ("./model_config.yaml", config),
        ("./" + "0" * 32 + "_" + "long" * 30 + ".txt", b"behind a long name\n"),
        ("./model_weights.ckpt", (here / "reference.ckpt").read_bytes()),
    ]:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
