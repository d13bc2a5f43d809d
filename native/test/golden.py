"""Writes golden files: safetensors with a sorted header, so that the same tensors give the same bytes."""
import json
import pathlib
import struct

NAMES = {"float64": "F64", "float32": "F32", "int32": "I32"}


def save(path, tensors, metadata):
    """`tensors`: name -> torch tensor (f64, f32 or i32); `metadata`: name -> text."""
    header, blobs, at = {"__metadata__": dict(sorted(metadata.items()))}, [], 0
    for name, tensor in sorted(tensors.items()):
        array = tensor.detach().contiguous().numpy()
        blobs.append(array.tobytes())
        header[name] = {"dtype": NAMES[str(array.dtype)], "shape": list(array.shape), "data_offsets": [at, at + len(blobs[-1])]}
        at += len(blobs[-1])
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


class Recorder:
    """Collects cases in the layout that `align2speak_check golden` replays."""

    def __init__(self, script):
        import torch

        self.path = pathlib.Path(script).with_name(pathlib.Path(script).name.replace(".golden.py", ".golden.safetensors"))
        self.tensors, self.metadata = {}, {"made by": f"{pathlib.Path(script).name}, PyTorch {torch.__version__}"}

    def record(self, op, case, attrs, inputs, outputs, **tolerances):
        """Stores inputs and outputs (None: absent), and, for outputs with a graph, random gradients and what they give."""
        import torch

        roots = {name: y for name, y in outputs.items() if y.requires_grad}
        douts = {name: torch.randn_like(y) for name, y in roots.items()}
        if roots:
            torch.autograd.backward(list(roots.values()), list(douts.values()))
        parts = {"in": inputs, "out": outputs, "dout": douts}
        parts["din"] = {name: x.grad for name, x in inputs.items() if x is not None and x.requires_grad}
        for part, values in parts.items():
            for name, value in values.items():
                if value is not None:
                    self.tensors[f"{case}/{part}.{name}"] = value.detach()
        self.metadata[case] = json.dumps({"op": op, "attrs": attrs, **tolerances})

    def save(self):
        save(self.path, self.tensors, self.metadata)
