"""The one driver that turns rows into a dataset of shards; datasets differ only in their rows (tools/datasets/).

Promises: every row ends as a sample or in the quarantine with file, line, reason and remedy, and the identity rows in =
samples + quarantined is checked against the writer's own counts; a row costs at most itself (a broken video never stops
a build), while a fault of the machine (disk, mount) always does. A killed build goes on after its last finished shard:
the rows before are parsed again, but neither read nor probed. Order is that of the rows; reading and probing run a few
rows ahead in threads, so memory holds about LOOK_AHEAD media per thread.
Media are stored as they come, byte for byte, or as a media profile makes them (tools/media.py); with GOP tables.
"""

from __future__ import annotations

import errno
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import chain, islice
from typing import Any

from shards.base import MediaError, PrintableError, logger, printable
from shards.dataset import (
    MAX_MEDIA_BYTES,
    QUARANTINE_FILE,
    AlreadyFinished,
    DatasetWriter,
    DuplicateKey,
    SampleRefused,
    WriteSummary,
)
from shards.media import (
    MEDIA_EXTENSIONS,
    STILL_BESIDE_FILM,
    KeyFrames,
    MediaFacts,
    is_still_beside_film,
    probe_table,
    with_remedy,
)
from shards.storage import open_source
from tools.ahead import LOOK_AHEAD, done, in_order
from tools.media import Profile, transcode
from tools.rows import BAD_MEDIA, DUPLICATE, MALFORMED, BadRow, Row

_logger = logger(__name__)

NUM_EXAMPLES = 20
"""Dropped records and quarantined rows that a report quotes; all of them stand in the dataset."""
FAULTS_OF_THE_FILE = (errno.ENOENT, errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.ELOOP)
"""Failures to read that are the file's own; any other is the machine's and stops the build."""


class BuildError(PrintableError, ValueError):
    """A build that gives no dataset: nothing usable, inputs that changed under it, accounts that do not add up."""


@dataclass(slots=True)
class BuildReport:
    """The accounts of a build, those of earlier, killed runs of it included; rows_in = samples + num_quarantined."""

    name: str
    out: str
    rows_in: int = 0
    rows_resumed: int = 0
    """Of rows_in, those that an earlier run had dealt with."""
    samples: int = 0
    records: int = 0
    num_quarantined: int = 0
    quarantined: dict[str, int] = field(default_factory=dict)
    """Rows by reason (tools/rows.py REASONS)."""
    quarantine_examples: list[str] = field(default_factory=list)
    records_dropped: int = 0
    """Text records left out of rows that had others; a sample's own stand in its json as dropped_records."""
    dropped_examples: list[str] = field(default_factory=list)
    shards: int = 0
    bytes: int = 0
    """Of the shards together."""
    seconds: float = 0.0
    finished_before: bool = False
    """The dataset was there, whole and made in the same way: nothing was done."""

    def to_dict(self) -> dict[str, Any]:
        """For --json."""
        return asdict(self)


def build(
    rows: Iterable[Row | BadRow],
    out: str,
    name: str,
    source: str,
    *,
    samples_per_shard: int = 1000,
    provenance: Mapping[str, Any] | None = None,
    limit: int | None = None,
    num_threads: int = 2,
    profile: Profile | None = None,
    on_row: Callable[[int, int], None] | None = None,
) -> BuildReport:
    """Write `rows` (drawn lazily, in order) to the folder or URL prefix `out`, or go on with a killed build.

    source: what the rows come from, e.g. the annotation file's name, for reasons. limit: take the first rows only.
    profile: what to make of media, None: nothing; the caller says it in the provenance.
    on_row(rows done, of them quarantined in this run) is called after each row.
    Raises BuildError; WriteError and DatasetError from the writer; OSError for a fault of the machine. After an
    error the finished shards stay, and the same call goes on from there; once all is done it does nothing more.
    """
    begin = time.monotonic()
    report = BuildReport(name, out)
    incoming = iter(rows)
    if limit is not None:
        incoming = islice(incoming, limit)
    first = next(incoming, None)  # so that an unusable annotation file leaves nothing behind at `out`
    if first is None:
        raise BuildError(f"{source}: holds no rows; give the annotation file of a split that has some")
    incoming = _tally_dropped(chain([first], incoming), report)
    load = partial(_load, source=source, profile=profile)
    try:
        opened = DatasetWriter(out, name, samples_per_shard, provenance=provenance, key_frames=True)
    except AlreadyFinished as already:
        return _report_finished(report, already.summary, begin)
    pool = ThreadPoolExecutor(num_threads, thread_name_prefix="probe")
    try:
        with opened as writer:
            report.rows_resumed = _skip(incoming, writer.rows_done, out, source)
            quarantined: list[BadRow] = []
            for item in _load_ahead(incoming, load, pool, LOOK_AHEAD * num_threads):
                bad = item if isinstance(item, BadRow) else _write(writer, *item, source)
                if bad is not None:
                    writer.quarantine(bad.record_id, bad.reason)
                    if len(quarantined) < NUM_EXAMPLES:
                        quarantined.append(bad)
                    report.num_quarantined += 1
                report.rows_in += 1
                if on_row is not None:
                    on_row(report.rows_resumed + report.rows_in, report.num_quarantined)
            report.rows_in += report.rows_resumed
            if report.rows_resumed == 0 and report.rows_in == report.num_quarantined:
                raise BuildError(_nothing_usable(source, quarantined, report.rows_in))
            _check_accounts(out, report.rows_in, writer.rows_done)  # before the dataset is declared finished
            summary = writer.close()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    _settle(report, summary)
    report.seconds = time.monotonic() - begin
    return report


@dataclass(frozen=True, slots=True)
class _Loaded:
    media: bytes
    ext: str
    facts: MediaFacts
    key_frames: KeyFrames


def _tally_dropped(rows: Iterator[Row | BadRow], report: BuildReport) -> Iterator[Row | BadRow]:
    for row in rows:
        if isinstance(row, Row) and row.dropped:
            report.records_dropped += len(row.dropped)
            report.dropped_examples += row.dropped[: NUM_EXAMPLES - len(report.dropped_examples)]
        yield row


def _skip(rows: Iterator[Row | BadRow], count: int, out: str, source: str) -> int:
    skipped = sum(1 for _ in islice(rows, count))
    if skipped < count:
        raise BuildError(
            f"{out}: an earlier run had dealt with {count} rows, {source} gives only {skipped} now; give the same "
            "inputs, or delete the folder to start over"
        )
    return skipped


def _load_ahead(
    rows: Iterator[Row | BadRow], load: Callable[[Row], _Loaded | BadRow], pool: ThreadPoolExecutor, ahead: int
) -> Iterator[tuple[Row, _Loaded] | BadRow]:
    """Rows in order, each with its medium read and probed, or what is wrong with it; `ahead` of them under way."""

    def work(row: Row) -> tuple[Row, _Loaded] | BadRow:
        loaded = load(row)
        return loaded if isinstance(loaded, BadRow) else (row, loaded)

    return in_order((done(row) if isinstance(row, BadRow) else pool.submit(work, row) for row in rows), ahead)


def _load(row: Row, source: str, profile: Profile | None) -> _Loaded | BadRow:
    """Read one medium, make of it what the profile says, and probe it; runs in a thread."""
    what = row.media_path if row.media_path is not None else f"the {row.extension} given with it"

    def bad(why: str) -> BadRow:
        return BadRow.at(row.record_id, source, BAD_MEDIA, f"{what}: {why}")

    if row.extension not in MEDIA_EXTENSIONS:
        return bad(f"extension {row.extension!r} is none of {', '.join(MEDIA_EXTENSIONS)}; convert or rename the file")
    try:
        media = row.media if row.media is not None else _read(os.fspath(row.media_path or ""))
    except OSError as error:
        if error.errno not in FAULTS_OF_THE_FILE:
            raise
        return bad(f"cannot be read ({error.strerror}); correct it, or accept the loss")
    if media is None or len(media) > MAX_MEDIA_BYTES:
        return bad(f"has more than {MAX_MEDIA_BYTES} bytes; cut it, or accept the loss")
    if not media:
        return bad("is empty; fetch it again, or accept the loss")
    try:
        if profile is None:
            facts, found = probe_table(media, f"{row.key}.{row.extension}")
            if is_still_beside_film(media, facts):
                _logger.warning("%s: %s", printable(str(what)), STILL_BESIDE_FILM)
            return _Loaded(media, row.extension, facts, KeyFrames.of(found))
        made = transcode(media, row.extension, profile)
        return _Loaded(made.media, made.ext, made.facts, made.key_frames)
    except MediaError as error:
        return bad(f"{with_remedy(error)}, or accept the loss")


def _read(path: str) -> bytes | None:
    """The bytes of a file, None if there are more than a sample may have."""
    with open(path, "rb") as file:
        return None if os.fstat(file.fileno()).st_size > MAX_MEDIA_BYTES else file.read()


def _write(writer: DatasetWriter, row: Row, loaded: _Loaded, source: str) -> BadRow | None:
    meta = {**row.meta, "dropped_records": list(row.dropped)} if row.dropped else row.meta
    try:
        writer.write(row.key, loaded.media, loaded.ext, row.records, meta, loaded.facts, loaded.key_frames)
    except DuplicateKey as error:
        what = f"{error}; it stands for id {str(row.meta.get('id', row.key))!r}: remove or rename one of the two"
        return BadRow.at(row.record_id, source, DUPLICATE, what)
    except SampleRefused as error:
        return BadRow.at(row.record_id, source, MALFORMED, f"{error}; correct the row")
    return None


def _nothing_usable(source: str, quarantined: list[BadRow], num_rows: int) -> str:
    return (
        f"{source}: none of its {num_rows} rows gave a sample, so there is no dataset; the first ones: "
        + " | ".join(bad.reason for bad in quarantined[:3])
    )


def _report_finished(report: BuildReport, summary: WriteSummary, begin: float) -> BuildReport:
    """The accounts of a dataset that was there already, as its files tell them; dropped records are not counted."""
    report.finished_before, report.records_dropped, report.dropped_examples = True, 0, []
    report.rows_in = report.rows_resumed = summary.num_rows
    _settle(report, summary)
    report.seconds = time.monotonic() - begin
    return report


def _settle(report: BuildReport, summary: WriteSummary) -> None:
    """Take over the counts of the writer and of its quarantine file, and insist that they agree with the rows."""
    report.samples, report.records = summary.num_samples, summary.num_records
    report.num_quarantined = summary.num_quarantined
    report.shards, report.bytes = summary.num_shards, summary.bytes
    lines = open_source(report.out).read(QUARANTINE_FILE).decode().splitlines()
    reasons = [str(json.loads(line)["reason"]) for line in lines]
    report.quarantined = dict(Counter(reason.partition(":")[0] for reason in reasons).most_common())
    report.quarantine_examples = reasons[:NUM_EXAMPLES]
    _check_accounts(report.out, report.rows_in, summary.num_rows, summary.num_samples + len(reasons))


def _check_accounts(out: str, rows_in: int, counted: int, held: int | None = None) -> None:
    """Rows in = rows the writer counted (= samples and quarantine lines, where those are known)."""
    if rows_in != counted or held not in (None, rows_in):
        and_held = "" if held is None else f", and samples and quarantine hold {held}"
        raise BuildError(
            f"{out}: the accounts do not add up: {rows_in} rows came in, the writer counted {counted}{and_held}; do "
            "not use this dataset, report a bug"
        )
