"""The list of all samples of a page, in files of 5,000: keys and facts as columns that a script turns into rows.

Each file is a call of a function with JSON in ASCII: a page that is opened as a file may load scripts and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shards.base import printable

if TYPE_CHECKING:
    import pyarrow as pa

PER_FILE = 5_000
_KEY_SHOWN = 160


class RowList:
    """Writes the files of the list, row group by row group."""

    def __init__(self, folder: Path, shards: Sequence[str], most: int) -> None:
        """most: samples that are listed; further ones are left out."""
        self._folder, self._shards, self._most = folder, shards, most
        self._waiting: dict[str, list[Any]] = {name: [] for name in "ksmrdbn"}
        self.num_rows = self.num_files = 0

    def add(self, table: pa.Table, sizes: NDArray[np.int64]) -> None:
        """Add the samples of a row group. sizes: bytes of each."""
        table, sizes = table.slice(0, self._most - self.num_rows), sizes[: self._most - self.num_rows]
        if not table.num_rows:
            return
        column: Callable[[str], list[Any]] = lambda name: table.column(name).to_pylist()  # noqa: E731
        waiting = self._waiting
        waiting["k"] += [printable(key, _KEY_SHOWN) for key in column("key")]
        waiting["s"] += [printable(self._shards[number], 80) for number in column("shard")]
        named = zip(column("kind"), column("codec"), strict=True)
        waiting["m"] += [printable(f"{kind} {codec}".strip(), 40) for kind, codec in named]
        sides = zip(column("width"), column("height"), strict=True)
        waiting["r"] += [f"{width}x{height}" if width else "" for width, height in sides]
        waiting["d"] += np.round(np.nan_to_num(np.asarray(table.column("duration"), np.float64)), 1).tolist()
        waiting["b"] += sizes.tolist()
        waiting["n"] += column("num_records")
        self.num_rows += table.num_rows
        while len(self._waiting["k"]) >= PER_FILE:
            self._write()

    def finish(self) -> None:
        """Write what is left."""
        if self._waiting["k"]:
            self._write()

    def _write(self) -> None:
        part = {name: values[:PER_FILE] for name, values in self._waiting.items()}
        self._waiting = {name: values[PER_FILE:] for name, values in self._waiting.items()}
        for name in "smr":  # few different values: the values once, and their numbers
            known = {value: number for number, value in enumerate(dict.fromkeys(part[name]))}
            part[name] = [list(known), [known[value] for value in part[name]]]
        part["d"] = [int(value) if value == int(value) else value for value in part["d"]]
        write_call(self._folder / f"{self.num_files}.js", "rows", self.num_files, part)
        self.num_files += 1


def write_call(path: Path, function: str, number: int, content: object) -> None:
    """Write a script that hands content to a function of the page."""
    text = json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    path.write_text(f"{function}({number},{text})\n", encoding="ascii")
