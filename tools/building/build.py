"""Build a dataset of shards from the rows of a parser (tools/datasets/): `python -m tools build` as a function.

Promises: those of tools/building/conversion.py; every row ends as a sample or in the quarantine with file, line,
reason and remedy. A broken video never stops a build, a fault of the machine (disk, mount) always does. Where a killed
build goes on, the rows before are parsed again, but their media are neither read nor probed.
Media are stored as they come, byte for byte, or as a media profile makes them (tools/media/); with GOP tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from typing import Any

from shards.base import ConversionError, Engine, SampleRefused, threads
from shards.cli import Progress, num_cores
from shards.dataset import NUM_EXAMPLES, DatasetWriter, DuplicateKey, Report
from shards.read import let_malloc_keep
from tools.building.conversion import convert_dataset
from tools.building.duplicates import MERGED
from tools.building.load import Loaded, Treatment, Unread, load
from tools.building.parts import Part
from tools.rows import DUPLICATE, MALFORMED, BadRow, Row


@dataclass(slots=True, kw_only=True)
class _BuildReport(Report):
    """The accounts of a build; num_rows = num_samples + num_merged + num_quarantined."""

    num_merged: int = 0
    """Rows whose medium an earlier row has, too, so that their texts are in its sample (--deduplicate)."""
    num_dropped: int = 0
    """Text records left out of rows that had others; the json of a sample lists its own as dropped_records."""
    dropped: list[str] = field(default_factory=list)
    """The first of them."""


_KEPT_BY_MALLOC = 1 << 26
"""Bytes of media that were written and that the next media are read into."""


def build(
    rows: Iterable[Row | BadRow],
    out: str,
    name: str,
    source: str,
    *,
    samples_per_shard: int = 1000,
    provenance: Mapping[str, Any] | None = None,
    limit: int | None = None,
    part: Part | None = None,
    engine: Engine | None = None,
    treatment: Treatment | None = None,
    deduplicated: bool = False,
    licence: str | None = None,
    progress: Progress | None = None,
) -> _BuildReport:
    """Write `rows` (drawn lazily, in order) to the folder or URL prefix `out`, or go on with a killed build.

    source: name of the annotation file, for the reasons of the quarantine. limit: take the first rows only. part: of
    these, take the blocks of this part, and write to its place below `out`. treatment: of media; None: keep and probe
    them. The caller puts all of them into the provenance, too. deduplicated: the rows hold others that were merged.
    licence: a note for dataset.json.
    engine: where media are read, probed and transcoded; None: a thread for each core.
    Raises ConversionError; WriteError and DatasetError from the writer; OSError for a fault of the machine. After an
    error the finished shards stay, and the same call goes on from there; once all is done it does nothing more.
    """
    report = _BuildReport(name=name, out=out if part is None else part.place(out))
    incoming = iter(rows) if limit is None else islice(rows, limit)
    first = next(incoming, None)  # before the writer is opened: an unusable annotation file leaves nothing at `out`
    if first is None:
        raise ConversionError(f"{source}: holds no rows; give the annotation file of a split that has some")
    incoming = chain([first], incoming)
    let_malloc_keep(_KEPT_BY_MALLOC)
    mine = _tally(incoming if part is None else part.rows(incoming, samples_per_shard), report)
    convert_dataset(
        report,
        source,
        mine,
        partial(load, source=source, treatment=treatment or Treatment()),
        partial(_write, source=source),
        engine=engine or threads(num_cores()),
        samples_per_shard=samples_per_shard,
        provenance=provenance,
        place=partial(_place, source=source),
        progress=progress,
        may_be_empty=part is not None,
        licence=licence,
    )
    if deduplicated:
        for _ in mine if report.finished_before else ():
            continue  # for their number, which the dataset does not hold
        report.num_rows += report.num_merged
        report.check({"samples, merged and quarantined are": _num_settled(report)})
    return report


def _num_settled(report: _BuildReport) -> int:
    return report.num_samples + report.num_merged + report.num_quarantined


def _place(row: Row | BadRow, source: str) -> str:
    medium = f" ({row.media_path})" if isinstance(row, Row) and row.media_path is not None else ""
    return f"{source} {row.record_id}{medium}"


def _tally(rows: Iterator[Row | BadRow], report: _BuildReport) -> Iterator[Row | BadRow]:
    """The rows, counted for what they merge and drop."""
    for row in rows:
        if isinstance(row, Row):
            report.num_merged += len(row.meta.get(MERGED, ()))
        if isinstance(row, Row) and row.dropped:
            report.num_dropped += len(row.dropped)
            report.dropped += row.dropped[: NUM_EXAMPLES - len(report.dropped)]
        yield row


def _write(writer: DatasetWriter, loaded: Loaded | Unread, source: str) -> BadRow | None:
    if isinstance(loaded, Unread):
        return loaded.settle()
    row = loaded.row
    meta = {**row.meta, "dropped_records": list(row.dropped)} if row.dropped else row.meta
    try:
        writer.write(row.key, loaded.media, loaded.ext, row.records, meta, loaded.facts, loaded.key_frames)
    except DuplicateKey as error:
        what = f"{error}; it stands for id {str(row.meta.get('id', row.key))!r}: remove or rename one of the two"
        return BadRow.at(row.record_id, source, DUPLICATE, what)
    except SampleRefused as error:
        return BadRow.at(row.record_id, source, MALFORMED, f"{error}; correct the row")
    return None
