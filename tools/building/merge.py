"""Join the parts of a build (`--shard I/N`) into one dataset: `python -m tools merge OUT` as a function.

Promises: all N parts are there, finished, and made by the same command from the same inputs, or none is touched;
tars are moved, not rewritten; a merge that was killed goes on with the same call, one that is done has nothing to do.
"""

from __future__ import annotations

import os
import time
from typing import Any

from shards.base import DatasetError, MissingFile, WrongPlace, load_json, shown
from shards.dataset import DATASET_FILE, Index, Report, WriteSummary, drop_indexes, join, open_target
from shards.storage import below, is_remote, local_path, open_filesystem, open_source
from tools.building.conversion import settle
from tools.building.parts import PARTS, Part

PART_FIELD = "part"
"""Field of the provenance of a part; the whole has their number as "parts"."""


def merge_parts(out: str) -> Report:
    """Make one dataset at the folder or URL prefix `out` of the parts below it.

    Raises WrongPlace where parts are missing, unfinished or of different numbers; DatasetError where they do not belong
    together; WriteError, SourceError.
    """
    begin = time.monotonic()
    whole, parts = _dataset(out), _find_parts(out)
    if whole is not None:
        return _finished(out, whole, parts)
    _check_all_there(out, parts)
    about = _dataset(parts[0].place(out)) or {}
    block = about.get("provenance", {}).get("samples_per_shard")
    if not isinstance(block, int) or block < 1:
        raise WrongPlace(f"{shown(parts[0].place(out))}: was not made by `python -m tools build --shard`")
    summary = join(
        out, [part.folder for part in parts], lambda number, row: parts[number].row_of_all(row, block), PART_FIELD
    )
    report = Report(name=str(about["name"]), out=out, num_rows=summary.num_rows)
    settle(report, summary)
    report.seconds = time.monotonic() - begin
    return report


def _check_all_there(out: str, parts: list[Part]) -> None:
    if not parts:
        raise WrongPlace(f"{shown(out)}: has no parts; build them first: python -m tools build ... --shard 1/N")
    numbers = sorted({part.of for part in parts})
    if len(numbers) > 1:
        listed = " and ".join(f"of {number}" for number in numbers)
        raise WrongPlace(f"{shown(out)}/{PARTS}: holds parts {listed}; delete those of the wrong number")
    of, found = numbers[0], {part.number for part in parts}
    missing = [number for number in range(1, of + 1) if number not in found]
    unfinished = [part.number for part in parts if _dataset(part.place(out)) is None]
    for numbers, state in ((missing, "missing"), (unfinished, "not finished")):
        if numbers:
            listed = ", ".join(f"{number}/{of}" for number in numbers[:10]) + (", ..." if len(numbers) > 10 else "")
            raise WrongPlace(
                f"{shown(out)}: {len(numbers)} of {of} parts {'are' if len(numbers) > 1 else 'is'} {state} ({listed}); "
                f"run `python -m tools build ... --shard {numbers[0]}/{of}` with the options of the others"
            )


def _finished(out: str, whole: dict[str, Any], parts: list[Part]) -> Report:
    """The report of a dataset that is there already; what is left of its own parts is removed."""
    of = whole.get("provenance", {}).get(f"{PART_FIELD}s")
    if not isinstance(of, int):
        raise DatasetError(f"{shown(out)}: holds a dataset that was not merged from parts; merge in another place")
    for part in parts:
        tars = [name for name in open_source(part.place(out)).list() if name.endswith(".tar")]
        if tars or part.of != of:
            raise DatasetError(
                f"{shown(out)}: holds a merged dataset of {of} parts, and {part.folder} was built after that; delete "
                "one of the two"
            )
    target = open_target(out)
    try:
        drop_indexes(target, [part.folder for part in parts])
    finally:
        target.release()
    shards = Index.open(open_source(out)).shards
    samples, quarantined = int(whole["num_samples"]), int(whole["num_quarantined"])
    counts = WriteSummary(
        samples + quarantined, samples, int(whole["num_elements"]), quarantined, len(shards), int(shards.bytes.sum())
    )
    report = Report(name=str(whole["name"]), out=out, num_rows=counts.num_rows, finished_before=True)
    report.num_resumed = report.num_rows
    settle(report, counts)
    return report


def check_unmerged(out: str) -> None:
    """Raise DatasetError where the parts of a place were merged already."""
    if _dataset(out) is not None:
        raise DatasetError(
            f"{shown(out)}: holds a finished dataset already: its parts are not built again; choose another place, or "
            "delete it to build it again"
        )


def _dataset(place: str) -> dict[str, Any] | None:
    """The content of a dataset.json, or None."""
    try:
        content = load_json(open_source(place).read(DATASET_FILE))
    except MissingFile:
        return None
    except ValueError as error:
        raise DatasetError(f"{shown(place)}/{DATASET_FILE}: not valid json ({error}); build it again") from None
    if not isinstance(content, dict) or not isinstance(content.get("provenance", {}), dict):
        raise DatasetError(f"{shown(place)}/{DATASET_FILE}: not that of a dataset; build it again")
    return content


def _find_parts(out: str) -> list[Part]:
    """The parts that lie below a place, in order."""
    place = below(out, PARTS)
    try:
        if is_remote(out):
            files, prefix = open_filesystem(place)
            names = [str(path).rstrip("/").rpartition("/")[2] for path in files.ls(prefix, detail=False)]
        else:
            names = os.listdir(local_path(place))
    except FileNotFoundError:
        return []
    return sorted(part for name in names if (part := Part.of_folder(name)) is not None)
