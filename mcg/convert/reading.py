"""Reading checkpoints that someone else wrote: tensors by name, and nothing is run.

torch.load only with weights_only=True, safetensors otherwise. A file is mapped, not copied, where its format allows, so
what no rule takes costs no memory. Refused with the file and the reason: pickled code, broken and empty files, entries
that are no tensors, and tensors that claim more elements than their file has bytes.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from mcg.convert.rules import ConvertError

WRAPPERS = ("model", "model_state", "model_state_dict", "state_dict", "module")
"""Entries under which files keep the weights, beside optimiser and settings."""
_IN_FOLDER = ("model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True)
class Released:
    """Weights as they came. wrapper: the entry of the file that held them, None for the whole of it."""

    file: Path
    state: dict[str, Tensor]
    wrapper: str | None

    def sha256(self) -> str:
        """Of the file."""
        with self.file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()


def read_checkpoint(path: str | Path) -> Released:
    """The weights in a file, or in a folder of Hugging Face. Raises ConvertError."""
    file = Path(path).expanduser()
    if file.is_dir():
        if (file / "checkpoint.json").is_file():
            raise ConvertError(f"{file}: a checkpoint of ours already; give it to init_from")
        found = [file / name for name in _IN_FOLDER if (file / name).is_file()]
        if not found:
            raise ConvertError(f"{file}: no weights there; expected {' or '.join(_IN_FOLDER)}")
        file = found[0]
    if not file.is_file():
        raise ConvertError(f"{file}: no such file")
    state, wrapper = _unwrap(_read(file), file)
    size = file.stat().st_size
    for key, tensor in state.items():
        if not isinstance(key, str) or not isinstance(tensor, Tensor):
            raise ConvertError(f"{file}: {key!r} is {_kind(tensor)}; expected a tensor under each name")
        if tensor.numel() > size:  # a broadcast view: a few bytes that claim to be terabytes
            raise ConvertError(f"{file}: {key} claims {tensor.numel()} elements, the file has {size} bytes")
    if not state:
        raise ConvertError(f"{file}: holds no weights")
    return Released(file, state, wrapper)


def _read(file: Path) -> Any:
    if file.suffix == ".safetensors":
        try:
            return load_file(file)
        except (OSError, SafetensorError) as error:
            raise ConvertError(f"{file}: not readable as safetensors: {error}") from error
    mapped = zipfile.is_zipfile(file)  # torch maps only its newer format
    try:
        return torch.load(file, map_location="cpu", weights_only=True, mmap=mapped)
    except (
        Exception
    ) as error:  # its readers raise what they meet: UnpicklingError, RuntimeError, EOFError, KeyError, ...
        first = (str(error).strip() or repr(error)).splitlines()[0]
        if type(error).__name__ == "UnpicklingError":
            raise ConvertError(
                f"{file}: no file of plain weights, or it holds pickled code, which is not run: {first}"
            ) from error
        raise ConvertError(f"{file}: not readable as a file of torch: {first}") from error


def _unwrap(content: Any, file: Path) -> tuple[dict[str, Any], str | None]:
    if not isinstance(content, Mapping):
        raise ConvertError(f"{file}: holds {_kind(content)}; expected weights by name")
    for wrapper in WRAPPERS:
        inner = content.get(wrapper)
        if isinstance(inner, Mapping):
            return dict(inner), wrapper
    return dict(content), None


def _kind(value: Any) -> str:
    return f"a {type(value).__name__}"
