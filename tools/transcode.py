"""Transcode the media of a dataset into a new dataset: `python -m tools transcode SRC OUT` as a function.

Promises: keys, text records, the meta of the json and the order of samples stay; media become what the profile says
(tools/media/). Every sample of the source is written or quarantined with shard, key and reason, and the promises of
tools/building/conversion.py hold. The provenance names the profile, the source's fingerprint and the version of
PyAV; a run that differs in one of them does not go on in the same place.
Gives up: members that are neither the medium nor its texts are left out and counted; shards are cut anew.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from shards.base import ConversionError, Engine, MediaError, SampleRefused, shown, threads
from shards.cli import Progress, num_cores
from shards.dataset import DatasetWriter, DuplicateKey, Index, Report, ShardRows, TextError, suffix
from shards.read import Fetched, Origin, Reader, SampleError
from tools.building.conversion import convert_dataset
from tools.media.profiles import Profile, describe
from tools.media.transcode import Transcoded, transcode
from tools.quality import Medium, Quality, measure
from tools.rows import BAD_MEDIA, DUPLICATE, MALFORMED, BadRow

_DAMAGED = "damaged sample"
"""A further reason beside those of tools/rows.py: a checksum that differs, or text that cannot be read."""


@dataclass(slots=True, kw_only=True)
class TranscodeReport(Report):
    """The accounts of a transcoding."""

    source: str
    profile: dict[str, Any]
    num_members_left: int = 0
    """Members of this run's samples that are not in the new dataset."""
    media_bytes_before: int = 0
    """Bytes of the media of all samples taken, also of quarantined ones."""
    media_bytes_after: int = 0
    quality: Quality | None = None
    """Measured on some samples, spread over the dataset."""


def transcode_dataset(
    source: str,
    out: str,
    profile_name: str,
    profile: Profile,
    *,
    name: str | None = None,
    samples_per_shard: int = 1000,
    limit: int | None = None,
    engine: Engine | None = None,
    compared: int = 16,
    progress: Progress | None = None,
    roots: Sequence[str] = (),
) -> TranscodeReport:
    """Write the dataset at `source` (folder or URL) to `out` with its media as the profile makes them, or go on.

    profile_name: for the provenance. name: of the new dataset, None: the source's. limit: take the first samples only.
    engine: where media are transcoded; None: a thread for each core. compared: how many samples are looked at for the
    quality.
    roots: where the shards may lie beside the source (shards/storage/roots.py).
    Raises ConversionError; WriteError and DatasetError from reader and writer; SourceError.
    """
    begin = time.monotonic()
    reader = Reader(None, source, "sample", roots=roots)
    dataset = reader.index.dataset
    total = min(int(dataset["num_samples"]), limit or int(dataset["num_samples"]))
    if not total:
        raise ConversionError(f"{shown(source)}: holds no samples; there is nothing to transcode")
    if progress is not None:
        progress.update(0, total)
    what = describe(profile_name, profile)
    # The rules for medium and texts decide what comes out, and the fingerprint does not cover them.
    rules = {"members": dataset["members"]} if dataset.get("members") else {}
    # Without checksums two datasets whose members have equal sizes have the same fingerprint.
    place = {} if dataset.get("verified", True) else {"place": shown(source)}
    origin = {"name": dataset["name"], "fingerprint": reader.fingerprint, **rules, **place}
    limits = {"samples_per_shard": samples_per_shard, "limit": limit}
    report = TranscodeReport(name=name or reader.name, out=out, source=shown(source), profile=what)

    def write(writer: DatasetWriter, made: _Made) -> BadRow | None:
        report.num_members_left += made.members_left
        return _write(writer, made)

    lost = convert_dataset(
        report,
        shown(source),
        islice(_places(reader.index), total),
        _Transcoder(reader, source, tuple(roots), profile),
        write,
        engine=engine or threads(num_cores()),
        samples_per_shard=samples_per_shard,
        place=lambda place: str(reader.origin_of(*place)),
        provenance={"tool": "tools transcode", "source": origin, "profile": what, **limits},
        progress=progress,
        licence=dataset.get("licence"),
    )
    report.check({"the source holds": total})
    made_reader = Reader(report.name, report.out, "sample")
    report.media_bytes_before = _media_bytes(reader.index, total)
    report.media_bytes_after = _media_bytes(made_reader.index)
    if not report.finished_before:
        report.quality = measure(_pairs(reader, made_reader, lost, compared), profile)
    report.seconds = time.monotonic() - begin
    return report


@dataclass(frozen=True, slots=True)
class _Made:
    """A sample as it is to be written."""

    origin: Origin
    media: Transcoded
    records: list[dict[str, Any]]
    meta: dict[str, Any]
    members_left: int


def _places(index: Index) -> Iterator[tuple[int, int]]:
    """(shard, row) of every sample."""
    for shard, count in enumerate(index.shards.num_samples.tolist()):
        for row in range(count):
            yield shard, row


class _Transcoder:
    """Reads and transcodes one sample of a dataset; in another process it opens the dataset anew."""

    def __init__(self, reader: Reader, source: str, roots: tuple[str, ...], profile: Profile) -> None:
        self._reader, self._source, self._roots, self._profile = reader, source, roots, profile

    def __reduce__(self) -> tuple[Any, ...]:
        return _transcoder_there, (self._source, self._roots, self._profile, self._reader.fingerprint)

    def __call__(self, place: tuple[int, int]) -> _Made | BadRow:
        reader, (shard, row) = self._reader, place
        origin = reader.origin_of(shard, row)

        def bad(category: str, why: str) -> BadRow:
            return _bad(origin, category, why)

        (fetched,) = reader.fetch([shard], [row])
        if isinstance(fetched, SampleError):
            return bad(_DAMAGED, f"{fetched.reason}; copy the shard again from where it is whole, or accept the loss")
        try:
            records, meta, _ = reader.texts(fetched)
        except TextError as error:
            return bad(_DAMAGED, f"{error}; correct the shard, or accept the loss")
        rows = reader.index.rows(shard)
        ext = _extension(rows, row)
        try:
            media = transcode(_bytes(fetched), ext, self._profile)
        except MediaError as error:
            return bad(BAD_MEDIA, f".{ext}: {error.advice}, or accept the loss")
        used = 1 + sum(text is not None for text in (fetched.json, fetched.txt))
        return _Made(origin, media, records, meta, len(rows.members(row)) - used)


def _transcoder_there(source: str, roots: tuple[str, ...], profile: Profile, fingerprint: str) -> _Transcoder:
    reader = Reader(None, source, "sample", roots=roots)
    if reader.fingerprint != fingerprint:
        raise ConversionError(
            f"{shown(source)}: a worker on {socket.gethostname()} finds another dataset there; give a path that leads "
            "to the same files on every machine"
        )
    return _Transcoder(reader, source, roots, profile)


def _extension(rows: ShardRows, row: int) -> str:
    """The extension of a sample's medium."""
    medium = rows.medium(row)
    assert medium is not None, "a sample that was fetched has one"
    return suffix(medium.ext)


def _bad(origin: Origin, category: str, why: str) -> BadRow:
    return BadRow(f"{origin.shard}:{origin.key}", f"{category}: {origin.shard} {origin.key}: {why}")


def _write(writer: DatasetWriter, made: _Made) -> BadRow | None:
    media, origin = made.media, made.origin
    try:
        writer.write(origin.key, media.media, media.ext, made.records, made.meta, media.facts, media.key_frames)
    except DuplicateKey as error:
        return _bad(origin, DUPLICATE, str(error))
    except SampleRefused as error:
        return _bad(origin, MALFORMED, f"{error}; name it otherwise, or accept the loss")
    return None


def _media_bytes(index: Index, limit: int | None = None) -> int:
    total = 0
    for shard, count in enumerate(index.shards.num_samples.tolist()):
        taken = count if limit is None else min(count, limit - int(index.shards.first_row[shard]))
        if taken > 0:
            total += int(index.rows(shard).ranges(np.arange(taken)).size[0].clip(0).sum())
    return total


def _pairs(before: Reader, after: Reader, lost: Sequence[int], wanted: int) -> Iterator[tuple[Medium, Medium]]:
    """(source, output) of some samples, evenly spread."""
    num_samples = int(after.index.shards.num_samples.sum())
    chosen = sorted({(2 * i + 1) * num_samples // (2 * wanted) for i in range(wanted)}) if num_samples else []
    missing = sorted(lost)
    for number in chosen:
        source = number
        for row in missing:  # rows of the source also count quarantined samples
            source += row <= source
        yield _medium(before, source), _medium(after, number)


def _medium(reader: Reader, number: int) -> Medium:
    """The medium of sample number `number` of a dataset. Raises SampleError."""
    first = reader.index.shards.first_row
    shard = int(np.searchsorted(first, number, side="right")) - 1
    row = number - int(first[shard])
    (fetched,) = reader.fetch([shard], [row])
    if isinstance(fetched, SampleError):
        raise fetched
    return Medium(_bytes(fetched), _extension(reader.index.rows(shard), row))


def _bytes(fetched: Fetched) -> bytes:
    assert isinstance(fetched.media, bytes), "media were asked for as bytes"
    return fetched.media
