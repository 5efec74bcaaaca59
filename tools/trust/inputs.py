"""The inputs of a build, as its provenance tells them, and as they are given again."""

from __future__ import annotations

import difflib
import hashlib
import inspect
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from shards.base import UsageError
from tools.datasets import find_dataset
from tools.rows import BadRow, Row

_BUILD = "tools build"
_PARTS = ("sample", "part", "shard")
"""Options of a build that leave rows out by other rules than their order."""


class Inputs:
    """The rows that a dataset was built from, parsed again."""

    def __init__(self, about: Mapping[str, Any], url: str, given: Mapping[str, Path], changed: bool = False) -> None:
        """about: the content of dataset.json. given: option -> file or folder. changed: files may have other contents.

        Raises UsageError with the option, what was found and what to give.
        """
        provenance = about.get("provenance")
        self.provenance: Mapping[str, Any] = provenance if isinstance(provenance, Mapping) else {}
        if self.provenance.get("tool") != _BUILD:
            tool = self.provenance.get("tool", "another tool")
            raise UsageError(
                f"{url}: was made by {tool}, not by {_BUILD}: there are no annotation files to compare it with; leave "
                f"out {', '.join(f'--{name}' for name in given)}"
            )
        for part in _PARTS:
            if self.provenance.get(part):
                raise UsageError(
                    f"{url}: holds a part of the rows (--{part} {self.provenance[part]}), so files of all say nothing "
                    f"of it; leave out {', '.join(f'--{name}' for name in given)}"
                )
        self.dataset, self._make = find_dataset(str(self.provenance.get("dataset")))
        parameters = inspect.signature(self._make, eval_str=True).parameters
        for name in given:
            if name not in parameters or not _takes_path(parameters[name]):
                raise UsageError(_unknown(name, self.dataset, [n for n in parameters if _takes_path(parameters[n])]))
        self._options: dict[str, Any] = {}
        for name, parameter in parameters.items():
            stored = self.provenance.get(name)
            if name in given:
                self._options[name] = _checked(name, given[name], stored, url, changed)
            elif isinstance(stored, Mapping):
                file = stored.get("file")
                raise UsageError(f"{url}: was built with {_flag(name)} {file}; give that file, as {_flag(name)} PATH")
            elif stored is not None:
                self._options[name] = _folder(name, stored, url) if _takes_path(parameter) else stored

    def rows(self) -> Iterator[Row | BadRow]:
        """The rows, as the build had them, its --limit included. Raises AnnotationError."""
        limit = self.provenance.get("limit")
        for number, row in enumerate(self._make(**self._options)):
            if limit is not None and number >= limit:
                return
            yield row


def datasets_and_files(words: Iterable[str]) -> tuple[list[str], dict[str, Path]]:
    """The datasets, and option -> path, of the words "DATASET ... --annotations FILE ..." of a command line, in any
    order. Raises UsageError."""
    datasets: list[str] = []
    files: dict[str, Path] = {}
    left = iter(words)
    for word in left:
        if not word.startswith("--"):
            datasets.append(word)
            continue
        name, is_joined, value = word.removeprefix("--").partition("=")
        value = value if is_joined else next(left, "")
        if not value or value.startswith("--"):
            raise UsageError(f"{word[:60]}: needs a value; files of the build are given as --annotations FILE")
        files[name.replace("-", "_")] = Path(value)
    return datasets, files


def _takes_path(parameter: inspect.Parameter) -> bool:
    kinds = [parameter.annotation]
    while any(get_args(kind) for kind in kinds):
        kinds = [inner for kind in kinds for inner in (get_args(kind) or (kind,))]
    return Path in kinds


def _checked(name: str, path: Path, stored: Any, url: str, changed: bool) -> Path:
    """The path, if it holds what the build read. Raises UsageError."""
    if not path.exists():
        raise UsageError(f"{_flag(name)} {path}: is not there; check the path")
    if not path.is_file() or changed:
        return path
    if not isinstance(stored, Mapping):
        raise UsageError(f"{_flag(name)} {path}: {url} was built without {_flag(name)}; leave it out")
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != stored.get("sha256"):
        raise UsageError(
            f"{_flag(name)} {path}: is not the file that {url} was built from ({stored.get('file')}, "
            f"{stored.get('bytes')} bytes, sha256 {str(stored.get('sha256'))[:12]}...; this one has "
            f"{path.stat().st_size} bytes, {digest[:12]}...); give that file, or --changed-inputs to compare anyway"
        )
    return path


def _folder(name: str, stored: Any, url: str) -> Path:
    path = Path(str(stored))
    if not path.exists():
        raise UsageError(f"{url}: was built with {_flag(name)} {path}, which is not there; give {_flag(name)} PATH")
    return path


def _unknown(name: str, dataset: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {_flag(near[0])}? " if near else ""
    return f"{_flag(name)[:60]}: {dataset} has no such file; {hint}known: {', '.join(map(_flag, known))}"


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
