"""Reading checkpoints of other programs, in the usual forms: tensors by name; no code in them is run.

A file of torch, TorchScript or safetensors; a folder of Hugging Face, whole or in several files with an index; one of
DeepSpeed, or the one above it with `latest`. The weights may lie under entries (`model`, `state_dict`, one in another),
beside an epoch, settings and optimiser state, and under the prefixes of wrappers (rules.plain_key). A file is mapped,
not copied, where its format allows, so what no rule takes costs no memory. Refused with the file and the reason:
pickled code, broken and empty files, and tensors that claim more elements than their files have bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mcg.convert.rules import ConvertError
from mcg.convert.torch_file import read_file
from mcg.convert.zero import read_deepspeed
from mcg.strange_files import strange_kind

WRAPPERS = ("model", "model_state", "model_state_dict", "state_dict", "module", "net", "network", "weights", "params")
"""Entries under which files keep the weights, beside optimiser and settings; the first that is there counts. Another
entry is taken where it is the only one with weights."""
_DEPTH = 4
"""Entries in one another that are looked into."""
_WHOLE = ("model.safetensors", "pytorch_model.bin")
_INDEX = ".index.json"
_MAX_INDEX_BYTES = 64 << 20


@dataclass(frozen=True)
class Released:
    """The weights of a released checkpoint, unchanged."""

    file: Path
    """The file, or the folder of several."""
    state: dict[str, Tensor]
    wrapper: str | None
    """The entry that held them, a.b for one in another; None for the whole of the file."""
    files: tuple[Path, ...] = ()
    beside: dict[str, str] = field(default_factory=dict)
    """Name -> kind of what lay among and beside the weights."""

    def sources(self) -> list[dict[str, Any]]:
        """Name, size and SHA-256 of every file that was read."""
        return [{"file": str(f), "bytes": f.stat().st_size, "sha256": _sha256(f)} for f in self.files]


def read_checkpoint(path: str | Path) -> Released:
    """The weights in a file, or in a folder of Hugging Face or DeepSpeed. Raises ConvertError."""
    place = Path(path).expanduser()
    content, files = _read(place)
    state, wrapper, beside = _unwrap(content, place)
    size = sum(file.stat().st_size for file in files)
    weights = {key: tensor for key, tensor in state.items() if isinstance(key, str) and isinstance(tensor, Tensor)}
    beside |= {str(key): _kind(value) for key, value in state.items() if key not in weights}
    for key, tensor in weights.items():
        if tensor.layout != torch.strided or tensor.is_meta or tensor.is_quantized:
            raise ConvertError(f"{place}: {key} is sparse, quantized or without data; save it as a plain tensor")
        if tensor.numel() > size:  # a broadcast view: a few bytes that claim to be terabytes
            raise ConvertError(f"{place}: {key} claims {tensor.numel()} elements, the file has {size} bytes")
    if not weights:
        found = ", ".join(f"{name}: {kind}" for name, kind in list(beside.items())[:5])
        raise ConvertError(f"{place}: holds no weights" + (f", only {found}" if found else ""))
    return Released(files[0] if len(files) == 1 else place, weights, wrapper, files, beside)


def _read(place: Path) -> tuple[Any, tuple[Path, ...]]:
    if place.is_file() and place.name.endswith(_INDEX):
        return _read_indexed(place)
    if not place.is_dir():
        return read_file(place), (place,)
    if (place / "checkpoint.json").is_file():
        raise ConvertError(f"{place}: a checkpoint of ours already; give it to init_from")
    for name in _WHOLE:
        if (place / name).is_file():
            return read_file(place / name), (place / name,)
        if (place / (name + _INDEX)).is_file():
            return _read_indexed(place / (name + _INDEX))
    found = read_deepspeed(place)
    if found is not None:
        return found
    there = ", ".join(sorted(path.name for path in place.iterdir())[:5]) or "nothing"
    raise ConvertError(
        f"{place}: no weights there, it holds {there}; expected {' or '.join(_WHOLE)} (or their {_INDEX[1:]}), or a "
        "checkpoint of DeepSpeed"
    )


def _read_indexed(index: Path) -> tuple[dict[str, Any], tuple[Path, ...]]:
    """The weights of several files, by the index beside them."""
    kind = strange_kind(index, is_json=True)
    if kind is not None:
        raise ConvertError(f"{index}: not an index of weights: it is {kind}")
    try:
        if index.stat().st_size > _MAX_INDEX_BYTES:
            raise ValueError(f"has more than {_MAX_INDEX_BYTES} bytes")
        names = json.loads(index.read_bytes())["weight_map"]
        file_of = {str(key): str(name) for key, name in names.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ConvertError(f"{index}: not an index of weights ({str(error)[:200]}); fetch it again") from error
    state: dict[str, Any] = {}
    files = []
    for name in sorted(set(file_of.values())):
        if "/" in name or "\\" in name or name in ("", ".", ".."):
            raise ConvertError(f"{index}: names {name[:80]!r}, which is not a file beside it; fetch the index again")
        if not (index.parent / name).is_file():
            raise ConvertError(f"{index}: names {name}, which is not beside it; fetch all of the files")
        content = read_file(index.parent / name)
        if not isinstance(content, Mapping):
            raise ConvertError(f"{index.parent / name}: holds {_kind(content)}; expected weights by name")
        state |= {key: value for key, value in content.items() if file_of.get(key, name) == name}
        files.append(index.parent / name)
    lacking = sorted(file_of.keys() - state.keys())
    if lacking:
        raise ConvertError(
            f"{index}: {lacking[0]} is not in {file_of[lacking[0]]} ({len(lacking)} such keys): the files are not of "
            "one checkpoint; fetch them again"
        )
    return state, tuple(files)


def _unwrap(content: Any, place: Path) -> tuple[dict[Any, Any], str | None, dict[str, str]]:
    """(the entries of the mapping that holds the weights, where it lay, what stood beside it)."""
    path: list[str] = []
    beside: dict[str, str] = {}
    while True:
        if not isinstance(content, Mapping):
            raise ConvertError(f"{place}: holds {_kind(content)}; expected weights by name")
        name = _entry_with_weights(content, place)
        if name is None or len(path) == _DEPTH:
            return dict(content), ".".join(path) or None, beside
        prefix = "".join(f"{step}." for step in path)
        beside |= {f"{prefix}{key}": _kind(value) for key, value in content.items() if key != name}
        path.append(name)
        content = content[name]


def _entry_with_weights(content: Mapping[Any, Any], place: Path) -> str | None:
    """The entry to look into; None where the weights lie here. Raises ConvertError where there are several."""
    known = next((name for name in WRAPPERS if isinstance(content.get(name), Mapping)), None)
    if known is not None or _holds_weights(content):
        return known
    holding = [name for name, value in content.items() if _holds_weights(value)]
    found = [str(name) for name in holding or (n for n, value in content.items() if _has_weights_inside(value))]
    if len(found) > 1:
        raise ConvertError(
            f"{place}: holds weights under {', '.join(found[:5])}; save the one that you want as a file of its own"
        )
    return found[0] if found else None


def _has_weights_inside(value: Any, depth: int = _DEPTH) -> bool:
    """True if an entry holds weights, or a named entry in it does; entries of an optimiser's state have numbers."""
    if _holds_weights(value) or depth == 1 or not isinstance(value, Mapping):
        return _holds_weights(value)
    return any(isinstance(name, str) and _has_weights_inside(inner, depth - 1) for name, inner in value.items())


def _holds_weights(value: Any) -> bool:
    return isinstance(value, Mapping) and any(isinstance(k, str) and isinstance(v, Tensor) for k, v in value.items())


def _kind(value: Any) -> str:
    kind = type(value).__name__
    if kind == "_SettingsObject":
        return "an object of settings"
    return f"{'an' if kind[0] in 'aeiouAEIOU' else 'a'} {kind}"


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
