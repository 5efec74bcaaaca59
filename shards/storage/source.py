"""Source: a folder or a URL prefix that bytes are read from, with three verbs: list, stat, read (a byte range).

Local folders are read by local.py; everything else (the stores of addresses.py) by remote.py, which is loaded when it
is first needed. A source may be used by several threads at once, and opened before a fork. Names are
plain file names: one with a slash or ".." is refused, so data cannot lead a reader out of its folder. `stat_many` and
`read_many` take one round trip where a store is far away.
Not here: caching.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

Names = list[str]
CONNECTIONS = 32
"""The most requests that one remote source has in flight, beside those for the parts of whole shards."""


class Stat(NamedTuple):
    """Facts that a store tells about a file without sending it."""

    size: int
    version: str
    """Tells two contents of one name apart: the ETag if there is one, else the time; "" if the store says neither."""

    def may_be(self, other: Stat) -> bool:
        """False if the two belong to different contents.

        Some servers say less with a range than with a whole file, so only what both say is compared.
        """
        (kind, _, mark), (other_kind, _, other_mark) = (stat.version.partition("=") for stat in (self, other))
        is_same = mark.removeprefix("W/") == other_mark.removeprefix("W/")
        return self.size == other.size and (kind != other_kind or is_same)


class Source(Protocol):
    """A folder of files, local or remote."""

    @property
    def url(self) -> str:
        """The folder, without secrets."""

    def list(self, suffix: str = "") -> Names:
        """Names of the files directly inside that end in suffix, sorted."""

    def stat(self, name: str) -> Stat:
        """Size and version of a file."""

    def stat_many(self, names: Sequence[str], known: bool = False) -> Stats:
        """`stat` of many files, at once where they are far away. Raises for the first that fails.

        known: what the store said of a file when it was last read is recent enough.
        """

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Bytes from offset on: length of them (None: all), fewer only where the file ends.

        A negative offset, without a length, asks for that many bytes at the end.
        """

    def read_many(self, ranges: Sequence[Range]) -> Pieces:
        """`read` of many ranges, at once where they are far away. Raises for the first that fails."""


Range = tuple[str, int, int]
"""(name, offset, length)"""
Stats = list[Stat]
Pieces = list[bytes]


def address_of(source: Source) -> str:
    """The address that a source reads, with its credentials: not to be shown."""
    address: str = getattr(source, "address", source.url)
    return address


def check_name(name: str) -> None:
    """Refuse what is not a plain file name (ValueError)."""
    if not name or name in (".", "..") or "/" in name or "\\" in name or "\0" in name:
        raise ValueError(f"{name!r} is not a plain file name")


def check_range(offset: int, length: int | None) -> None:
    """Refuse what is not a range (ValueError)."""
    if (length is not None and length < 0) or (offset < 0 and length is not None):
        raise ValueError(f"offset {offset} with length {length}: a negative offset goes without a length")
