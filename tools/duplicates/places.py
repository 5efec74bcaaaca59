"""The datasets that a command was given: PATH, or NAME=PATH to give it the name that it has in a blend."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from shards.base import shown
from shards.read import Reader
from tools.duplicates.side_table import Place, file_name, open_reader
from tools.rows import OptionError

_NAMED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)=(.+)", re.DOTALL)


def named_path(word: str) -> tuple[str | None, str]:
    """(name or None, path) of NAME=PATH or PATH."""
    named = _NAMED.fullmatch(word)
    return (named[1], named[2]) if named else (None, word)


def make_out(out: Path) -> None:
    """Make the folder for results. Raises OptionError for a URL."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(out)):
        raise OptionError(f"--out {out}: results are written to a local folder; copy them from there")
    out.mkdir(parents=True, exist_ok=True)


def open_places(words: Sequence[str], roots: Sequence[str], noun: str = "datasets") -> dict[Place, Reader]:
    """Open datasets.

    roots: folders that their shards may lie in, beside that of the index. Raises DatasetError and SourceError where
    there is none, OptionError for one without samples and for two of one name.
    """
    opened: dict[Place, Reader] = {}
    for word in words:
        name, address = named_path(word)
        reader = open_reader(Place(name, address, tuple(roots)))
        if not reader.index.shards.num_samples.sum():
            raise OptionError(f"{shown(address)}: holds no samples; there is nothing to compare")
        place = Place(reader.name, address, tuple(roots))
        same = next((other for other in opened if file_name(other.name) == file_name(place.name)), None)
        if same is not None:
            raise OptionError(
                f"{shown(same.address)} and {shown(address)}: two {noun} under the name {reader.name!r}; an exclusion "
                "list names datasets, so give each the name that it has in your blend: NAME=PATH"
            )
        opened[place] = reader
    return opened
