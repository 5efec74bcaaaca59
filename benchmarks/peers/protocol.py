"""The questions of the benchmarks, the same for every system under test.

`with_NAME.py VERB JSON` runs inside that system's own environment, imports only that system, numpy and the standard
library, and prints one JSON object as its last line. A system is three functions: `load` imports it, `open_stream`
gives a Stream, `convert` writes the samples of tars in the system's own form. `answer.py` has the verbs, the same for
all; this file imports none of the others, so that the benchmarks can import it too.

A sample is (medium, text), both bytes-like; its number stands in the text ("#000001234#"), because not every system
hands keys on.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

Figures = dict[str, Any]
Sample = tuple[Any, Any]


@dataclass
class Options:
    """A question; the meaning of `mode` depends on the system, that of the other fields does not."""

    url: str = ""
    """Folder or URL of the dataset in this system's form."""
    names: list[str] = field(default_factory=list)
    """Shards, for systems that do not list them."""
    index: str = ""
    """Folder of the local index files, for systems that cannot read them from the place of the shards."""
    mode: str = ""
    shuffle: bool = False
    buffer: int = 1000
    workers: int = 0
    batch: int = 32
    rank: int = 0
    world: int = 1
    seed: int = 0
    cache: str = ""
    """Folder for copies of remote shards."""
    cache_bytes: int = 1 << 33
    connections: int = 4
    decode: bool = False
    state: str = ""
    """File with a state to go on from."""
    # for the verbs
    seconds: float = 1.0
    stop_after: int = 0
    save: str = ""
    saves: dict[str, str] = field(default_factory=dict)
    """Number of samples -> file for the state after them."""
    out: str = ""
    act: str = ""
    act_after: int = 0
    tars: list[str] = field(default_factory=list)


class Stream(Protocol):
    """An opened dataset."""

    def __iter__(self) -> Iterator[Sample]:
        """One pass, or the rest of one if a state was given."""

    def save(self, path: str) -> None:
        """Write the state after the last sample that was handed over."""


class Unsupported(Exception):
    """The system cannot do what is asked; the text says what is missing."""


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., int], tuple[str]]:
        return os.system, (f"touch '{self.path}'",)


def join_ranks(options: Options) -> None:
    """Set the variables of torch's launchers: all ranks on one node, at a port that is a function of the dataset."""
    port = 20_000 + zlib.crc32(f"{options.url} {options.cache}".encode()) % 20_000
    os.environ.update(
        RANK=str(options.rank),
        LOCAL_RANK=str(options.rank),
        WORLD_SIZE=str(options.world),
        LOCAL_WORLD_SIZE=str(options.world),
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
    )


def number_of(text: Any) -> int:
    """The number of a sample."""
    found = re.search(rb"#(\d+)#", bytes(text))
    if found is None:
        raise ValueError(f"no number in {bytes(text)[:200]!r}")
    return int(found[1])


def link_tars(tars: list[str], out: str) -> list[Path]:
    """Link tars into a folder of a system that puts its own files beside them."""
    os.makedirs(out, exist_ok=True)
    targets = [Path(out) / Path(tar).name for tar in tars]
    for tar, target in zip(tars, targets, strict=True):
        if not target.exists():
            os.link(tar, target)
    return targets
