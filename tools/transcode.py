"""A dataset of shards made anew with other media: `python -m tools transcode SRC OUT --profile NAME` as a function.

Promises: keys, text records, the meta of the json and the order of samples stay; media become what the profile says
(tools/media.py). Every sample of the source is written or quarantined with shard, key and reason, and samples in =
written + quarantined is checked against the writer's own counts. A run that was killed goes on after its last finished
shard, without reading what lies before, to the same bytes as an uninterrupted one. The provenance names the profile,
the source's fingerprint and the version of PyAV; a run that differs in one of them does not go on in the same place,
and one that is finished has nothing to do.
Reading, decoding and encoding run in threads (FFmpeg releases the GIL), a few samples ahead of the writer.
Gives up: members that are neither the medium nor its texts are left behind and counted; borders of shards are new.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any

import numpy as np

from shards.base import MediaError, shown
from shards.dataset import (
    QUARANTINE_FILE,
    AlreadyFinished,
    DatasetWriter,
    DuplicateKey,
    Index,
    SampleRefused,
    ShardRows,
    TextError,
    WriteSummary,
    parse,
    suffix,
)
from shards.media import with_remedy
from shards.read import Fetched, Origin, Reader, SampleError
from shards.storage import open_source
from tools.ahead import LOOK_AHEAD, in_order
from tools.build import NUM_EXAMPLES, BuildError
from tools.media import Profile, Transcoded, describe, transcode
from tools.quality import Medium, Quality, measure
from tools.rows import BAD_MEDIA, DUPLICATE, MALFORMED

DAMAGED = "damaged sample"
"""Beside the reasons of tools/rows.py: a checksum that differs, text that cannot be read."""


@dataclass(slots=True)
class TranscodeReport:
    """The accounts of a run, those of earlier, killed runs of it included; samples_in = samples + num_quarantined."""

    name: str
    source: str
    out: str
    profile: dict[str, Any]
    samples_in: int = 0
    samples_resumed: int = 0
    """Of samples_in, those that an earlier run had dealt with."""
    samples: int = 0
    records: int = 0
    num_quarantined: int = 0
    quarantined: dict[str, int] = field(default_factory=dict)
    """Samples by reason."""
    quarantine_examples: list[str] = field(default_factory=list)
    members_left: int = 0
    """Members of this run's samples that are no part of the new dataset."""
    shards: int = 0
    bytes: int = 0
    """Of the shards together."""
    media_bytes_before: int = 0
    """Of the samples taken, those that were quarantined included."""
    media_bytes_after: int = 0
    quality: Quality | None = None
    """Of some samples, spread over the dataset."""
    seconds: float = 0.0
    finished_before: bool = False
    """The dataset was there, whole and made in the same way: nothing was done."""

    def to_dict(self) -> dict[str, Any]:
        """For --json."""
        return asdict(self)


def transcode_dataset(
    source: str,
    out: str,
    profile_name: str,
    profile: Profile,
    *,
    name: str | None = None,
    samples_per_shard: int = 1000,
    limit: int | None = None,
    num_threads: int = 2,
    compared: int = 16,
    on_sample: Callable[[int, int], None] | None = None,
    roots: Sequence[str] = (),
) -> TranscodeReport:
    """Write the dataset at `source` (folder or URL) to `out` with its media as the profile makes them, or go on.

    profile_name: for the provenance. name: of the new dataset, None: the source's. limit: take the first samples only.
    compared: how many samples are looked at for the quality. on_sample(samples done, of them quarantined in this run).
    roots: where the shards may lie beside the source (shards/storage/roots.py).
    Raises BuildError; WriteError and DatasetError from reader and writer; SourceError.
    """
    begin = time.monotonic()
    reader = Reader("", source, "sample", roots=roots)
    dataset = reader.index.dataset
    reader.name = str(dataset["name"])
    total = min(int(dataset["num_samples"]), limit or int(dataset["num_samples"]))
    if not total:
        raise BuildError(f"{shown(source)}: holds no samples; there is nothing to transcode")
    what = describe(profile_name, profile)
    # Which members are medium and text is no part of the fingerprint, and decides what comes out.
    rules = {"members": dataset["members"]} if dataset.get("members") else {}
    # A fingerprint without checksums does not tell one content from another of its sizes.
    place = {} if dataset.get("verified", True) else {"place": shown(source)}
    origin = {"name": dataset["name"], "fingerprint": reader.fingerprint, **rules, **place}
    limits = {"samples_per_shard": samples_per_shard, "limit": limit}
    provenance = {"tool": "tools transcode", "source": origin, "profile": what, **limits}
    report = TranscodeReport(name or reader.name, shown(source), out, what)
    try:
        opened = DatasetWriter(out, report.name, samples_per_shard, provenance=provenance, key_frames=True)
    except AlreadyFinished as already:
        report.finished_before = True
        report.samples_in = report.samples_resumed = total
        _take_over(report, already.summary, reader, total)
        report.seconds = time.monotonic() - begin
        return report
    pool = ThreadPoolExecutor(num_threads, thread_name_prefix="transcode")
    try:
        with opened as writer:
            report.samples_resumed = report.samples_in = writer.rows_done
            places = islice(_places(reader.index), writer.rows_done, total)
            for made in _make_ahead(reader, places, profile, pool, LOOK_AHEAD * num_threads):
                reason = made.reason or _write(writer, made)
                if reason:
                    writer.quarantine(f"{made.origin.shard}:{made.origin.key}", reason)
                    report.num_quarantined += 1
                report.members_left += made.members_left
                report.samples_in += 1
                if on_sample is not None:
                    on_sample(report.samples_in, report.num_quarantined)
            if report.samples_resumed == 0 and report.samples_in == report.num_quarantined:
                raise BuildError(
                    f"{source}: none of its {total} samples could be used, so there is no dataset: {reason}"
                )
            if not report.samples_in == writer.rows_done == total:
                raise BuildError(
                    f"{out}: the accounts do not add up: {total} samples came in, the writer counted "
                    f"{writer.rows_done}; do not use this dataset, report a bug"
                )
            summary = writer.close()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    lost, made_reader = _take_over(report, summary, reader, total)
    report.quality = measure(_pairs(reader, made_reader, lost, compared), profile)
    report.seconds = time.monotonic() - begin
    return report


@dataclass(frozen=True, slots=True)
class _Made:
    """What became of one sample; reason: why it is quarantined, or empty."""

    origin: Origin
    reason: str = ""
    media: Transcoded | None = None
    records: list[dict[str, Any]] = field(default_factory=list)
    meta: dict[str, Any] = field(default_factory=dict)
    members_left: int = 0


def _places(index: Index) -> Iterator[tuple[int, int]]:
    """(shard, row) of every sample."""
    for shard, count in enumerate(index.shards.num_samples.tolist()):
        for row in range(count):
            yield shard, row


def _make_ahead(
    reader: Reader, places: Iterator[tuple[int, int]], profile: Profile, pool: ThreadPoolExecutor, ahead: int
) -> Iterator[_Made]:
    """Samples in order; `ahead` of them under way."""
    return in_order((pool.submit(_make, reader, shard, row, profile) for shard, row in places), ahead)


def _make(reader: Reader, shard: int, row: int, profile: Profile) -> _Made:
    """Read and transcode one sample; runs in a thread."""
    origin = reader.origin_of(shard, row)

    def bad(category: str, why: str) -> _Made:
        return _Made(origin, f"{category}: {origin.shard} {origin.key}: {why}")

    (fetched,) = reader.fetch([shard], [row])
    if isinstance(fetched, SampleError):
        return bad(DAMAGED, f"{fetched.reason}; copy the shard again from where it is whole, or accept the loss")
    json_text, txt = (None if text is None else bytes(text) for text in (fetched.json, fetched.txt))
    try:
        records, meta, _ = parse(json_text, txt, reader.rules)
    except TextError as error:
        return bad(DAMAGED, f"{error}; correct the shard, or accept the loss")
    rows = reader.index.rows(shard)
    ext = _extension(rows, row)
    try:
        media = transcode(_bytes(fetched), ext, profile)
    except MediaError as error:
        return bad(BAD_MEDIA, f".{ext}: {with_remedy(error)}, or accept the loss")
    used = 1 + sum(text is not None for text in (fetched.json, fetched.txt))
    return _Made(origin, "", media, records, meta, len(rows.members(row)) - used)


def _extension(rows: ShardRows, row: int) -> str:
    """What a sample's medium is, by its name."""
    medium = rows.medium(row)
    assert medium is not None, "a sample that was fetched has one"
    return suffix(medium.ext)


def _write(writer: DatasetWriter, made: _Made) -> str:
    """The reason why not, or ""."""
    media, origin = made.media, made.origin
    assert media is not None
    try:
        writer.write(origin.key, media.media, media.ext, made.records, made.meta, media.facts, media.key_frames)
    except DuplicateKey as error:
        return f"{DUPLICATE}: {origin.shard} {origin.key}: {error}"
    except SampleRefused as error:
        return f"{MALFORMED}: {origin.shard} {origin.key}: {error}; name it otherwise, or accept the loss"
    return ""


def _take_over(report: TranscodeReport, summary: WriteSummary, before: Reader, total: int) -> tuple[set[int], Reader]:
    """Fill in what the finished dataset says; returns the numbers of the samples that are lost, and its reader."""
    report.samples, report.records = summary.num_samples, summary.num_records
    report.num_quarantined, report.shards, report.bytes = summary.num_quarantined, summary.num_shards, summary.bytes
    lost = _settle(report)
    after = Reader(report.name, report.out, "sample")
    report.media_bytes_before = _media_bytes(before.index, total)
    report.media_bytes_after = _media_bytes(after.index)
    return lost, after


def _settle(report: TranscodeReport) -> set[int]:
    """Take over the quarantine file; returns the numbers of the samples in it."""
    lines = open_source(report.out).read(QUARANTINE_FILE).decode().splitlines()
    found = [json.loads(line) for line in lines]
    reasons = [str(line["reason"]) for line in found]
    report.quarantined = dict(Counter(reason.partition(":")[0] for reason in reasons).most_common())
    report.quarantine_examples = reasons[:NUM_EXAMPLES]
    if report.samples + len(found) != report.samples_in:
        raise BuildError(
            f"{report.out}: the accounts do not add up: {report.samples_in} samples came in, samples and quarantine "
            f"hold {report.samples + len(found)}; do not use this dataset, report a bug"
        )
    return {int(line["row"]) for line in found}


def _media_bytes(index: Index, limit: int | None = None) -> int:
    total = 0
    for shard, count in enumerate(index.shards.num_samples.tolist()):
        taken = count if limit is None else min(count, limit - int(index.shards.first_row[shard]))
        if taken > 0:
            total += int(index.rows(shard).ranges(np.arange(taken)).size[0].clip(0).sum())
    return total


def _pairs(before: Reader, after: Reader, lost: set[int], wanted: int) -> Iterator[tuple[Medium, Medium]]:
    """Some samples, evenly spread, and what they were before."""
    num_samples = int(after.index.shards.num_samples.sum())
    chosen = sorted({(2 * i + 1) * num_samples // (2 * wanted) for i in range(wanted)}) if num_samples else []
    missing = sorted(lost)
    for number in chosen:
        source = number
        for row in missing:  # rows of the source count those that are lost
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
    assert isinstance(fetched.media, bytes | memoryview), "media were asked for as bytes"
    return bytes(fetched.media)
