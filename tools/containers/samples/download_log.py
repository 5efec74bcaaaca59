"""What img2dataset and video2dataset note beside a shard: 00000.parquet, a row per address, and 00000_stats.json.

Promises: every row whose download failed, and every one that says "success" and has no sample, becomes a BadRow with
its address and reason; without the parquet the number of successes is compared with the samples that are there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from tools.containers.arrow import parquet_look, parquet_records
from tools.containers.files import Damaged, read_json
from tools.rows import MALFORMED, NO_MEDIA, AnnotationError, BadRow

_WANTED = ("key", "url", "status", "error_message")
_SHOWN = 200


def failed_downloads(stem: Path, found: Collection[str], container: Path) -> Iterator[BadRow]:
    """What is lacking of a shard. stem: its path without .tar; found: keys of the samples that are there."""
    log = stem.with_name(f"{stem.name}.parquet")
    if log.is_file():
        yield from _failed(log, found, container)
        return
    stats = stem.with_name(f"{stem.name}_stats.json")
    if not stats.is_file():
        return
    try:
        said = read_json(stats)
    except AnnotationError as error:
        yield BadRow.at(stats.name, container, MALFORMED, str(error))
        return
    successes = said.get("successes") if isinstance(said, dict) else None
    if isinstance(successes, int) and successes != len(found):
        what = f"says {successes:,} successes, {len(found):,} samples are there; run the download of this shard again"
        yield BadRow.at(stats.name, container, NO_MEDIA, what)


def _failed(log: Path, found: Collection[str], container: Path) -> Iterator[BadRow]:
    try:
        names = [name for name in parquet_look(log)[0] if name in _WANTED]
        if not {"key", "status"} <= set(names):
            return  # a parquet of something else
        for number, values in parquet_records(log, names):
            place = f"{log.name} row {number + 1}"
            key, status = str(values["key"]), values["status"]
            address = f"{_short(values.get('url'))!r} (key {key})"
            if status != "success":
                why = _short(values.get("error_message") or "no reason is noted")
                what = f"{address}: {_short(status)}: {why}; fetch it again, or accept the loss"
                yield BadRow.at(place, container, NO_MEDIA, what)
            elif key not in found:
                what = f"{address}: status success, and no sample is there; run the download of this shard again"
                yield BadRow.at(place, container, NO_MEDIA, what)
    except Damaged as flaw:
        yield BadRow.at(log.name, container, flaw.category, str(flaw))


def _short(value: Any) -> str:
    return str(value)[:_SHOWN]
