"""quarantine.jsonl: the samples that a dataset left out, one JSON line each, with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shards.base.errors import DatasetError, MissingFile
from shards.base.json_text import load_json
from shards.dataset.index.files import DATASET_FILE
from shards.storage.source import Source

QUARANTINE_FILE = "quarantine.jsonl"


_CHUNK = 1 << 20
"""Bytes that are read at once."""


def quarantine_lines(source: Source) -> Iterator[dict[str, Any]]:
    """The lines of the quarantine of a dataset, read piece by piece."""
    size, rest = source.stat(QUARANTINE_FILE).size, b""
    for offset in range(0, size, _CHUNK):
        *lines, rest = (rest + source.read(QUARANTINE_FILE, offset, min(_CHUNK, size - offset))).split(b"\n")
        yield from map(load_json, lines)
    if rest:
        yield load_json(rest)


def read_quarantine(source: Source) -> dict[str, list[dict[str, Any]]]:
    """Shard name -> lines of the quarantine that name it. Raises DatasetError."""
    try:
        lines = source.read(QUARANTINE_FILE).splitlines()
    except MissingFile:
        return {}
    found: dict[str, list[dict[str, Any]]] = {}
    for number, line in enumerate(lines, start=1):
        try:
            content = load_json(line)
            found.setdefault(content["shard"], []).append(content)
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(
                f"{source.url}/{QUARANTINE_FILE}, line {number}: not a line of an index ({error!r}); "
                f"remove {DATASET_FILE} there and index again"
            ) from error
    return found
