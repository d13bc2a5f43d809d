"""Writes golden files: safetensors with a sorted header, so that the same tensors give the same bytes."""
import json
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
