"""Build a dataset of shards from the rows of a parser (tools/datasets/): `python -m tools build` as a function.

Promises: those of tools/building/conversion.py; every row ends as a sample or in the quarantine with file, line,
reason and remedy. A broken video never stops a build, a fault of the machine (disk, mount) always does. Where a killed
build goes on, the rows before are parsed again, but their media are neither read nor probed.
Media are stored as they come, byte for byte, or as a media profile makes them (tools/media/); with GOP tables.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from typing import Any

from shards.base import ConversionError, Engine, MediaError, SampleRefused, logger, printable, threads
from shards.cli import Progress, num_cores
from shards.dataset import MAX_MEDIA_BYTES, NUM_EXAMPLES, DatasetWriter, DuplicateKey, Report
from shards.media import MEDIA_EXTENSIONS, STILL_BESIDE_FILM, KeyFrames, MediaFacts, is_still_beside_film, probe_table
from tools.building.conversion import convert_dataset
from tools.building.parts import Part
from tools.media.profiles import Profile
from tools.media.transcode import transcode
from tools.rows import BAD_MEDIA, DUPLICATE, MALFORMED, BadRow, Row

_logger = logger(__name__)

_FAULTS_OF_THE_FILE = (errno.ENOENT, errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.ELOOP)
"""Errors of reading that concern one file; any other is a fault of the machine and stops the build."""


@dataclass(slots=True, kw_only=True)
class _BuildReport(Report):
    """The accounts of a build."""

    num_dropped: int = 0
    """Text records left out of rows that had others; the json of a sample lists its own as dropped_records."""
    dropped: list[str] = field(default_factory=list)
    """The first of them."""


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
    profile: Profile | None = None,
    progress: Progress | None = None,
) -> _BuildReport:
    """Write `rows` (drawn lazily, in order) to the folder or URL prefix `out`, or go on with a killed build.

    source: name of the annotation file, for the reasons of the quarantine. limit: take the first rows only. part: of
    these, take the blocks of this part, and write to its place below `out`. profile: transcode media so, None: keep
    them. The caller puts all of them into the provenance, too.
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
    convert_dataset(
        report,
        source,
        _tally_dropped(incoming if part is None else part.rows(incoming, samples_per_shard), report),
        partial(_load, source=source, profile=profile),
        partial(_write, source=source),
        engine=engine or threads(num_cores()),
        samples_per_shard=samples_per_shard,
        provenance=provenance,
        place=partial(_place, source=source),
        progress=progress,
        may_be_empty=part is not None,
    )
    return report


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A row with its medium as it is to be stored."""

    row: Row
    media: bytes
    ext: str
    facts: MediaFacts
    key_frames: KeyFrames


@dataclass(frozen=True, slots=True)
class _Unread:
    """A row whose medium could not be read where the work is done."""

    path: str
    host: str
    reason: BadRow


def _place(row: Row | BadRow, source: str) -> str:
    medium = f" ({row.media_path})" if isinstance(row, Row) and row.media_path is not None else ""
    return f"{source} {row.record_id}{medium}"


def _tally_dropped(rows: Iterator[Row | BadRow], report: _BuildReport) -> Iterator[Row | BadRow]:
    for row in rows:
        if isinstance(row, Row) and row.dropped:
            report.num_dropped += len(row.dropped)
            report.dropped += row.dropped[: NUM_EXAMPLES - len(report.dropped)]
        yield row


def _load(row: Row | BadRow, source: str, profile: Profile | None) -> _Loaded | _Unread | BadRow:
    """Read one medium, make of it what the profile says, and probe it."""
    if isinstance(row, BadRow):
        return row
    record_id = row.record_id
    what = row.media_path if row.media_path is not None else f"the {row.extension} given with it"

    def bad(why: str) -> BadRow:
        return BadRow.at(record_id, source, BAD_MEDIA, f"{what}: {why}")

    if row.extension not in MEDIA_EXTENSIONS:
        return bad(f"extension {row.extension!r} is none of {', '.join(MEDIA_EXTENSIONS)}; convert or rename the file")
    try:
        media = row.media if row.media is not None else _read(os.fspath(row.media_path or ""))
    except OSError as error:
        if error.errno not in _FAULTS_OF_THE_FILE:
            raise
        why = bad(f"cannot be read ({error.strerror}); correct it, or accept the loss")
        return _Unread(os.fspath(row.media_path or ""), socket.gethostname(), why)
    if media is None or len(media) > MAX_MEDIA_BYTES:
        return bad(f"has more than {MAX_MEDIA_BYTES} bytes; cut it, or accept the loss")
    if not media:
        return bad("is empty; fetch it again, or accept the loss")
    try:
        if profile is None:
            facts, found = probe_table(media, f"{row.key}.{row.extension}")
            if is_still_beside_film(media, facts):
                _logger.warning("%s: %s", printable(str(what)), STILL_BESIDE_FILM)
            return _Loaded(row, media, row.extension, facts, KeyFrames.of(found))
        made = transcode(media, row.extension, profile)
        return _Loaded(row, made.media, made.ext, made.facts, made.key_frames)
    except MediaError as error:
        return bad(f"{error.advice}, or accept the loss")


def _read(path: str) -> bytes | None:
    """The bytes of a file; None if there are more than a sample may have."""
    with open(path, "rb") as file:
        return None if os.fstat(file.fileno()).st_size > MAX_MEDIA_BYTES else file.read()


def _write(writer: DatasetWriter, loaded: _Loaded | _Unread, source: str) -> BadRow | None:
    if isinstance(loaded, _Unread):
        if os.access(loaded.path, os.R_OK):
            raise ConversionError(
                f"{loaded.path}: this machine can read it, a worker on {loaded.host} cannot ({loaded.reason.reason}); "
                "media must lie where all workers see them (a shared file system); then start again"
            )
        return loaded.reason
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
