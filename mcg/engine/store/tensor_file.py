"""Writing tensors as one safetensors file, with its checksum made on the way.

The library's own `save_file` is not used: it copies all tensors before it writes the first, makes files that only their
owner may read whatever the umask says, and leaves the checksum to a second pass over what was written.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
import xxhash
from torch import Tensor

from mcg.engine.store.integrity import FileFacts

_DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
_ALIGNMENT = 8


def write_tensors(file: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> FileFacts:
    """Write a new file and have it on the disk. Tensors may be on any device, and share memory: each is written whole.

    Raises OSError, ValueError for a tensor that safetensors does not know.
    """
    strange = [n for n, t in tensors.items() if t.dtype not in _DTYPES or t.layout is not torch.strided]
    if strange:
        held = tensors[strange[0]]
        raise ValueError(f"{file}: {strange[0]} is {held.layout} of {held.dtype}, which a safetensors file cannot hold")
    # widest numbers first, as the format asks, so that every tensor begins at a multiple of its element's size
    order = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    at = 0
    for name in order:
        tensor = tensors[name]
        size = tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": _DTYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [at, at + size],
        }
        at += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    head = len(text).to_bytes(8, "little") + text
    digest = xxhash.xxh3_128(head)
    with file.open("xb", buffering=0) as stream:
        _write_all(stream.fileno(), memoryview(head))
        for name in order:
            data = tensors[name].detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
            digest.update(data)
            _write_all(stream.fileno(), data)
        os.fsync(stream.fileno())
    return FileFacts(len(head) + at, digest.hexdigest())


def _write_all(descriptor: int, data: memoryview) -> None:
    while data:
        data = data[os.write(descriptor, data) :]  # a full disk or a limit first takes a part, and then raises
