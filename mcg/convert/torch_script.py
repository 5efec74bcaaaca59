"""The weights of a TorchScript archive, as OpenAI publishes CLIP, without its program.

Such a file (torch.jit.save) is a zip of code, constants, and `data.pkl` with the module's attributes, whose tensors lie
in `data/`. torch.load refuses it whole. Here the attributes and their tensors alone are copied into an archive in
memory, without code, which torch reads with weights_only=True: the module classes of the program are stand-ins that
keep attributes, and any other class or function in the pickle refuses the file. Memory: twice the weights.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mcg.convert.rules import ConvertError
from mcg.strange_files import refusal

_PROGRAM = "__torch__"
"""First word of the names of the program's own classes."""
_LISTS = tuple(f"torch.jit._pickle.build_{kind}list" for kind in ("int", "double", "bool", "tensor"))
_MOST = 100_000
"""Modules and tensors of a program, each counted once for every name that it has."""


class _Module:
    """A stand-in for a module of the program: its attributes."""

    def __setstate__(self, state: Any) -> None:
        self.__dict__ = dict(state) if isinstance(state, dict) else {}


def _no_list(*_: Any) -> None:
    """A stand-in for a list of numbers or tensors, which is no weight."""


def is_torch_script(file: Path) -> bool:
    """True if a file is a zip with code of TorchScript; False for a broken one."""
    try:
        with zipfile.ZipFile(file) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except (OSError, ValueError, zipfile.BadZipFile):
        return False


def read_torch_script(file: Path) -> dict[str, Tensor]:
    """Parameters and buffers by name, as the module's state_dict() has them; no code is run. Raises ConvertError."""
    try:
        plain = _without_code(file)
        plain.seek(0)
        names = torch.serialization.get_unsafe_globals_in_checkpoint(plain)
        plain.seek(0)
        modules: list[Any] = [(_Module, name) for name in names if name.startswith(f"{_PROGRAM}.")]
        with torch.serialization.safe_globals([*modules, *((_no_list, name) for name in _LISTS)]):
            root = torch.load(plain, map_location="cpu", weights_only=True)
    except ConvertError:
        raise
    except Exception as error:  # zipfile and torch's readers raise what they meet
        raise ConvertError(f"{file}: a TorchScript archive, and {refusal(error)}") from error
    if not isinstance(root, _Module):
        raise ConvertError(f"{file}: a TorchScript archive of no module; fetch it again")
    return _weights(root, file)


def _without_code(file: Path) -> io.BytesIO:
    """A zip of the attributes and the tensors."""
    made = io.BytesIO()
    with zipfile.ZipFile(file) as archive, zipfile.ZipFile(made, "w") as plain:
        entries = {entry.filename.partition("/")[2]: entry for entry in archive.infolist()}
        kept = {
            name: entry
            for name, entry in entries.items()
            if name.startswith("data/") or name in ("data.pkl", "version", "byteorder")
        }
        claimed, there = sum(entry.file_size for entry in kept.values()), file.stat().st_size
        if claimed > there:
            raise ConvertError(
                f"{file}: a TorchScript archive whose weights claim {claimed} bytes, the file has {there}; it is not "
                "to be trusted"
            )
        for name, entry in kept.items():
            plain.writestr(f"weights/{name}", archive.read(entry))
    return made


def _weights(root: _Module, file: Path) -> dict[str, Tensor]:
    """The tensors among the attributes of modules, by their paths."""
    found: dict[str, Tensor] = {}
    open_ones: list[tuple[str, Any]] = [("", root)]
    seen = 0
    while open_ones:
        path, value = open_ones.pop()
        seen += 1
        if seen > _MOST:
            raise ConvertError(f"{file}: a TorchScript archive whose modules have no end; it is not to be trusted")
        if isinstance(value, Tensor):
            found[path] = value
        elif isinstance(value, _Module):
            prefix = f"{path}." if path else ""
            open_ones += [(f"{prefix}{name}", inner) for name, inner in value.__dict__.items()]
    return found
