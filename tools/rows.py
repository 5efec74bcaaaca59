"""Rows: what the parser of a dataset (tools/datasets/) gives to the build (tools/building/build.py).

A Row is one medium with its text records, a BadRow says why a record gives no sample; each ends in a shard or in the
quarantine. A reason begins with one of REASONS, so that reasons can be counted, and goes on with file, line and remedy.
Keys follow WebDataset's rule: no dot, slash or space, and no underscore at the beginning.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shards.base import PrintableError, UsageError

MALFORMED = "malformed line"
NO_TEXT = "no usable text"
NO_MEDIA = "media not found"
BAD_MEDIA = "unusable media"
DUPLICATE = "duplicate key"
REASONS = (MALFORMED, NO_TEXT, NO_MEDIA, BAD_MEDIA, DUPLICATE)
"""Every quarantine reason starts with one of these and a colon."""

MAX_KEY_LENGTH = 80
"""Characters; leaves room for the member's extension in the 100 bytes of a plain tar header."""


class AnnotationError(PrintableError, ValueError):
    """Inputs (annotation file, id map, media folder) that cannot be used at all; names the file and the remedy."""


class OptionError(UsageError, AnnotationError):
    """An option that cannot be meant as given: not known, missing, or with a file that is not there; exit code 2."""


@dataclass(frozen=True, slots=True)
class Row:
    """One sample to be: either `media_path` (read by the driver) or `media` bytes with `ext`."""

    record_id: str
    """Its place in the annotation file, e.g. "line 17"."""
    key: str
    records: tuple[dict[str, Any], ...]
    """Text records: {"caption"} or {"question", "answer", "type", "id"}."""
    meta: dict[str, Any] = field(default_factory=dict)
    """Kept beside the records in the sample's json; holds the original "id"."""
    media_path: Path | None = None
    media: bytes | None = None
    ext: str = ""
    """Extension without dot, lower case; empty means: that of media_path."""
    dropped: tuple[str, ...] = ()
    """Reasons why further records of this medium are left out, each as "line 18: empty caption"."""

    def __post_init__(self) -> None:
        assert (self.media_path is None) != (self.media is None), f"{self.record_id}: one of media_path and media"
        assert self.media is None or self.ext, f"{self.record_id}: media bytes need an ext"
        assert self.key == make_key(self.key), f"{self.record_id}: key {self.key!r} breaks the WebDataset rule"

    @property
    def extension(self) -> str:
        """Extension of the member that holds the medium: lower case, no dot; "" if the file has none."""
        if self.ext or self.media_path is None:
            return self.ext
        return self.media_path.suffix[1:].lower()


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot become a sample; `reason` = one of REASONS, colon, then file, line, what, remedy."""

    record_id: str
    reason: str

    @property
    def kind(self) -> str:
        """One of REASONS; rows are counted by it."""
        return self.reason.partition(":")[0]

    @property
    def example(self) -> str:
        """The line of a report; empty if it is not to be quoted."""
        return self.reason

    @staticmethod
    def at(record_id: str, path: Path | str, category: str, what: str) -> BadRow:
        """The usual form: "CATEGORY: FILE RECORD: WHAT"."""
        return BadRow(record_id, f"{category}: {Path(path).name} {record_id}: {what}")


class CountedRows(Iterator[Row | BadRow]):
    """An iterator of rows with an estimate of their number (operator.length_hint), for progress."""

    def __init__(self, rows: Iterator[Row | BadRow], about: int) -> None:
        self._rows = rows
        self._left = about

    def __next__(self) -> Row | BadRow:
        row = next(self._rows)
        self._left -= 1
        return row

    def __length_hint__(self) -> int:
        return max(0, self._left)


def make_key(identifier: str) -> str:
    """A WebDataset key for any identifier: deterministic, the identifier itself where that is allowed.

    Where characters had to be replaced or cut, a hash of the whole identifier keeps keys apart ("a.b", "a/b").
    """
    clean = re.sub(r"[^A-Za-z0-9_-]", "_", identifier)
    clean = f"k{clean}" if clean.startswith("_") else clean  # WebDataset drops names with a leading underscore
    if clean == identifier and 0 < len(clean) <= MAX_KEY_LENGTH:
        return clean
    digest = hashlib.blake2b(identifier.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    return f"{clean[: MAX_KEY_LENGTH - 13]}-{digest}"


def caption_records(captions: Any) -> tuple[tuple[dict[str, str], ...], tuple[str, ...]]:
    """Caption records and the reasons of those left out, from a string or a list of strings; text is kept verbatim."""
    texts = captions if isinstance(captions, list) else [captions]
    kept: list[dict[str, str]] = []
    dropped: list[str] = []
    for number, text in enumerate(texts, 1):
        flaw = text_flaw(text)
        if flaw:
            dropped.append(f"caption {number} of {len(texts)}: {flaw}")
        else:
            kept.append({"caption": text})
    return tuple(kept), tuple(dropped)


def text_flaw(text: Any) -> str:
    """The reason why a text cannot be used, or "" if it can."""
    if text is None:
        return "empty"
    if not isinstance(text, str):
        return f"not a text but {type(text).__name__} {str(text)[:40]!r}"
    if not text.strip():
        return "empty"
    if any("\ud800" <= c <= "\udfff" for c in text):
        return "not valid UTF-8"
    return ""
