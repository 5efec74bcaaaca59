"""The one driver of conversions: rows go through an engine, and each ends as a sample or in the quarantine.

Promises: a row that cannot be used is quarantined and stops nothing; a fault of the machine stops the conversion.
Samples are in the order of the rows. A killed conversion goes on after its last finished shard, without working on the
rows before it, and gives the same bytes as an uninterrupted one; a finished one has nothing to do. build, transcode and
export differ in their rows, in the work on a row, and in how a result is written.
"""

from __future__ import annotations

import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from typing import Any, TypeVar

from shards.base import ConversionError, Engine, ProcessDied
from shards.cli import Progress
from shards.dataset import (
    NUM_EXAMPLES,
    AlreadyFinished,
    DatasetWriter,
    MemberRules,
    Report,
    WriteSummary,
    quarantine_lines,
)
from shards.storage import open_source
from tools.rows import BadRow

Item = TypeVar("Item")
Made = TypeVar("Made")


def convert(
    report: Report,
    rows: Iterable[Item],
    work: Callable[[Item], Made | BadRow],
    write: Callable[[Made], BadRow | None],
    quarantine: Callable[[BadRow], None],
    *,
    engine: Engine,
    place: Callable[[Item], str] = str,
    progress: Progress | None = None,
) -> None:
    """Work on all rows and write the results, in order. Raises what these functions raise.

    place: names a row whose work ended its process, which is a ConversionError.
    """
    try:
        with closing(engine(work, rows)) as results:
            for made in results:
                bad = made if isinstance(made, BadRow) else write(made)
                if bad is not None:
                    quarantine(bad)
                    report.refuse(bad.kind, bad.example)
                report.num_rows += 1
                if progress is not None:
                    progress.update(report.num_rows, quarantined=report.quarantined)
    except ProcessDied as error:
        rows_at_work = ", ".join(place(item) for item in error.items)
        raise ConversionError(
            f"{error}: at {rows_at_work}; replace or remove that medium (or give workers more memory), then start again"
        ) from error


def convert_dataset(
    report: Report,
    source: str,
    rows: Iterator[Item],
    work: Callable[[Item], Made | BadRow],
    write: Callable[[DatasetWriter, Made], BadRow | None],
    *,
    engine: Engine,
    samples_per_shard: int,
    provenance: Mapping[str, Any] | None,
    place: Callable[[Item], str] = str,
    progress: Progress | None = None,
    may_be_empty: bool = False,
    licence: str | None = None,
    max_shard_bytes: int = 1 << 30,
    rules: MemberRules | None = None,
) -> Sequence[int]:
    """Write rows to the dataset of shards that the report names, or go on with a conversion that was killed.

    source: name of the input, for messages. provenance: all settings that decide what comes out. may_be_empty: a
    dataset without a sample is one, too. licence: a note about the terms of use. rules: of the members of samples that
    are copied. Returns the numbers of the quarantined rows, also of earlier runs.
    Raises ConversionError; WriteError and DatasetError from the writer; what rows and work raise. After an error the
    finished shards stay, and the same call goes on from there.
    """
    begin = time.monotonic()
    try:
        opened = DatasetWriter(
            report.out,
            report.name,
            samples_per_shard,
            max_shard_bytes,
            provenance,
            key_frames=True,
            licence=licence,
            rules=rules,
        )
    except AlreadyFinished as already:
        report.finished_before, report.num_rows = True, already.summary.num_rows
        report.num_resumed = report.num_rows
        lost = settle(report, already.summary)
        report.seconds = time.monotonic() - begin
        return lost
    with opened as writer:
        _skip(report, rows, writer.rows_done, source)
        if progress is not None and report.num_resumed:
            progress.skip(report.num_resumed)
        convert(
            report,
            rows,
            work,
            lambda made: write(writer, made),
            lambda bad: writer.quarantine(bad.record_id, bad.reason),
            engine=engine,
            place=place,
            progress=progress,
        )
        if not report.num_resumed and not may_be_empty:
            report.check_usable(source)
        report.check({"the writer counted": writer.rows_done})  # before the dataset is declared finished
        summary = writer.close()
    lost = settle(report, summary)
    report.seconds = time.monotonic() - begin
    return lost


def _skip(report: Report, rows: Iterator[Item], count: int, source: str) -> None:
    skipped = sum(1 for _ in islice(rows, count))
    if skipped < count:
        raise ConversionError(
            f"{report.out}: an earlier run had dealt with {count} rows, {source} gives only {skipped} now; give the "
            "same inputs, or delete the folder to start over"
        )
    report.num_rows = report.num_resumed = count


def settle(report: Report, summary: WriteSummary) -> Sequence[int]:
    """Take the counts of a finished dataset and its quarantine; returns the numbers of the quarantined rows."""
    report.num_samples, report.num_records = summary.num_samples, summary.num_records
    report.num_quarantined = summary.num_quarantined
    report.num_shards, report.bytes = summary.num_shards, summary.bytes
    lost, kinds = array("q"), Counter[str]()
    report.examples = []
    for line in quarantine_lines(open_source(report.out)):
        bad = BadRow(str(line["record"]), str(line["reason"]))
        kinds[bad.kind] += 1
        lost.append(int(line["row"]))
        if len(report.examples) < NUM_EXAMPLES:
            report.examples.append(bad.example)
    report.quarantined = dict(kinds.most_common())
    held = summary.num_samples + len(lost)
    report.check({"the writer counted": summary.num_rows, "samples and quarantine hold": held})
    return lost
