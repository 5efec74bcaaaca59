"""Write the frames of a dataset of shards into one FFCV file (.beton), which `source: ffcv` reads; docs/ffcv.md.

Promises: samples in = samples written + quarantined, checked against what a reader finds in the file, every checksum
compared; what was left out by `where` or `exclude` counts as quarantined, and all of that stands in
OUT.quarantine.jsonl, which is an exclusion list. The file appears whole or not at all. Frames are those that the CPU
decoder gives for a uniform clip: N of them, the middles of N equal parts (all, if there are fewer), with a short side
of at most S pixels.
One process writes, through the pieces of ffcv's DatasetWriter: its own way forks workers, and waits for ever for one
that died of a full disk. Reading and decoding run ahead in threads. Gives up: a killed export begins anew.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from types import SimpleNamespace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shards.base import ConfigError, DatasetError, MediaError, PrintableError, WrongPlace
from shards.dataset import MAX_TEXT_BYTES, TextError, parse
from shards.decode import decode
from shards.loader import DatasetConfig
from shards.media import ClipConfig, ClipPlan, MediaFacts, plan_clip
from shards.order import rng
from shards.read import (
    MAX_FRAMES,
    Beton,
    BetonReader,
    Fetched,
    FieldKind,
    Origin,
    Reader,
    SampleError,
    checksum,
    fields,
    row_type,
)
from shards.select import ExclusionError, Selection, open_selection
from tools.ahead import LOOK_AHEAD, done, in_order
from tools.rows import OptionError

Mode = Literal["raw", "jpg"]
MODES: dict[str, Mode] = {"raw": "raw", "jpg": "jpg"}
NUM_EXAMPLES = 5
_NAME = "export"
_MIN_PAGE, _MAX_PAGE = 1 << 21, 1 << 30
"""Bytes of a page; a sample lies in one. ffcv allows up to 2^31, but Linux writes less than that at once."""
_SAMPLES_PER_PAGE = {"raw": 4, "jpg": 1}
"""At their largest, so that what is left over at the end of pages stays little; JPEGs are a tenth of it."""
_OWN_TEXT, _MOST_ESCAPED = 1 << 17, 6
"""Bytes of text that are added to a sample's own, and to which one of its bytes may grow."""
_JPEG_HEADER = 1 << 10
"""Bytes of a JPEG of nothing."""
_SETTINGS = "export"
"""In the text of the first sample."""
_NO_FRAME = np.zeros((1, 1, 3), np.uint8)
"""Stands where a sample has fewer frames than others."""


class ExportError(PrintableError, ValueError):
    """An export that gives no file: nothing usable, no room, accounts that do not add up."""


class NoFfcv(PrintableError, ValueError):
    """ffcv is not installed, or its libraries are not."""


@dataclass(slots=True)
class ExportReport:
    """The accounts of an export; samples_in = samples + num_quarantined."""

    name: str
    out: str
    mode: str
    num_frames: int
    short_side: int
    samples_in: int = 0
    samples: int = 0
    records: int = 0
    frames: int = 0
    num_quarantined: int = 0
    quarantined: dict[str, int] = field(default_factory=dict)
    """Samples by stage: selection (left out by where or exclude), read, decode, write."""
    quarantine_examples: list[str] = field(default_factory=list)
    bytes: int = 0
    seconds: float = 0.0
    finished_before: bool = False
    """The file was there, made of the same samples in the same way: nothing was done."""

    @property
    def num_failed(self) -> int:
        """Quarantined, and not because somebody wanted it."""
        return self.num_quarantined - self.quarantined.get("selection", 0)

    def to_dict(self) -> dict[str, Any]:
        """For --json."""
        return asdict(self)


def export(
    url: str,
    out: str,
    *,
    num_frames: int,
    short_side: int,
    mode: Mode = "raw",
    quality: int = 90,
    where: str | None = None,
    exclude: Sequence[str] = (),
    num_threads: int = 2,
    on_sample: Callable[[int, int, int], None] | None = None,
    roots: Sequence[str] = (),
) -> ExportReport:
    """Write the samples of the dataset at `url` to the file `out`, which must not be there yet; if it is, made of the
    same samples in the same way, there is nothing to do.

    roots: where its shards may lie beside that (shards/storage/roots.py).
    on_sample(samples done, of them quarantined, of so many) is called after each.
    Raises NoFfcv, OptionError, ExportError; DatasetError and SourceError of the dataset; OSError for the disk.
    """
    begin = time.monotonic()
    if not 1 <= num_frames <= MAX_FRAMES:
        raise OptionError(f"--num-frames must lie in 1..{MAX_FRAMES}, found {num_frames}")
    _import_ffcv()
    source = _Source(url, num_frames, short_side, where, exclude, roots)
    report = ExportReport(source.name, out, mode, num_frames, short_side)
    settings = source.settings() | {"mode": mode, "quality": quality if mode == "jpg" else None}
    if os.path.exists(out) and _settings_of(out) == settings:
        _report_finished(report)
        report.seconds = time.monotonic() - begin
        return report
    with _aside(out) as (part, quarantine_part, handle):
        largest = source.survey(shutil.disk_usage(os.path.dirname(part)).free if mode == "raw" else None)
        page = _page_bytes(largest, _SAMPLES_PER_PAGE[mode])
        with (
            open(quarantine_part, "w", encoding="ascii") as lines,
            _Writer(part, num_frames, source.num_samples, page, mode, quality, settings) as writer,
        ):
            for item in source.ready(num_threads):
                report.samples_in += 1
                failure = item if isinstance(item, _Failure) else writer.write(item)
                if failure is not None:
                    lines.write(json.dumps(failure.line()) + "\n")
                    report.num_quarantined += 1
                    report.quarantined[failure.stage] = report.quarantined.get(failure.stage, 0) + 1
                    if failure.stage != "selection" and len(report.quarantine_examples) < NUM_EXAMPLES:
                        report.quarantine_examples.append(f"{failure.origin}: {failure.reason}")
                if on_sample is not None:
                    on_sample(report.samples_in, report.num_quarantined, source.num_samples)
            if not writer.num_samples:
                first = "".join(f"; {example}" for example in report.quarantine_examples[:3])
                raise ExportError(f"{url}: none of {report.samples_in} samples can be exported{first}")
        _check_accounts(report, source, part, writer)
        os.fsync(handle)
        os.replace(quarantine_part, f"{out}.quarantine.jsonl")
        os.replace(part, out)
    report.bytes = os.path.getsize(out)
    report.seconds = time.monotonic() - begin
    return report


@contextmanager
def _aside(out: str) -> Iterator[tuple[str, str, int]]:
    """Where to write until it is whole: (file, quarantine, handle of the file), for one process at a time."""
    folder, name = os.path.split(os.path.abspath(out))
    if not os.path.isdir(folder):
        raise OptionError(f"--out {out}: there is no folder {folder}")
    if not name.endswith(".beton"):
        raise OptionError(f"{out}: the name should end with .beton")
    part = os.path.join(folder, f".{name}.part")
    quarantine_part = os.path.join(folder, f".{name}.quarantine.part")
    handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ExportError(f"{out}: another process is writing it; wait for it or choose another name") from error
        try:
            if os.path.exists(out):
                raise OptionError(f"{out}: is there already; remove it, or choose another name")
            yield part, quarantine_part, handle
        finally:
            for path in (part, quarantine_part):
                with suppress(FileNotFoundError):
                    os.unlink(path)
    finally:
        os.close(handle)


@dataclass(frozen=True, slots=True)
class _Failure:
    """A sample that is not written."""

    origin: Origin
    stage: str
    reason: str

    def line(self) -> dict[str, str]:
        """As exclusion lists have it."""
        origin = self.origin
        where = {"dataset": origin.dataset, "shard": origin.shard, "key": origin.key}
        return {**where, "stage": self.stage, "reason": self.reason}


class _Ready(NamedTuple):
    """A sample as it is to be written."""

    origin: Origin
    shard: int
    facts: MediaFacts
    """Of the stored frames."""
    frames: NDArray[np.uint8]
    num_records: int
    text: dict[str, Any]


class _Source:
    """The samples to export, in the order of the dataset."""

    def __init__(
        self,
        url: str,
        num_frames: int,
        short_side: int,
        where: str | None,
        exclude: Sequence[str],
        roots: Sequence[str],
    ) -> None:
        try:
            self._reader = Reader(_NAME, url, "sample", partial_bytes=4 << 20, roots=roots)
        except WrongPlace as error:
            raise OptionError(str(error)) from error
        self._index = self._reader.index
        self.name = self._reader.name = str(self._index.dataset["name"])
        self._num_frames, self._short_side = num_frames, short_side
        self._selection = self._select(where, exclude)
        self.num_samples = int(self._index.shards.num_samples.sum())

    def _select(self, where: str | None, exclude: Sequence[str]) -> Selection | None:
        try:
            config = DatasetConfig(
                name=_NAME, path=self._index.source.url, elements="sample", where=where, exclude=tuple(exclude)
            )
            return open_selection(self._index, config.name, config.where, config.exclude, config.elements)
        except (ConfigError, ExclusionError) as error:
            raise OptionError(str(error)) from error

    def settings(self) -> dict[str, Any]:
        """What decides which samples and frames come out."""
        selection = self._selection.digest if self._selection is not None else ""
        return {
            "source": self._reader.fingerprint,
            "members": self._index.dataset.get("members"),
            "selection": selection,
            "num_frames": self._num_frames,
            "short_side": self._short_side,
        }

    def survey(self, free: int | None) -> int:
        """Bytes that a sample takes at most. free: bytes that there are for all frames."""
        largest = total = 0
        for shard, row, _ in self._rows(left_out=False):
            rows = self._index.rows(shard)
            try:
                num_bytes = int(np.prod(self._plan(rows.facts(row)).shape))
            except MediaError:
                continue  # will be met again
            text = rows.text_bytes(row)
            largest = max(largest, _most_bytes(num_bytes, self._num_frames, _MOST_ESCAPED * text + _OWN_TEXT))
            total += num_bytes
        if free is not None and total > free:
            raise ExportError(
                f"the frames take {total / 1e9:.1f} GB, the disk has {free / 1e9:.1f} GB left; use --mode jpg, fewer "
                "frames, or a smaller side"
            )
        return largest

    def ready(self, num_threads: int) -> Iterator[_Ready | _Failure]:
        """All samples, decoded; those that cannot be, or are left out, with the reason."""
        ahead = LOOK_AHEAD * num_threads
        pool = ThreadPoolExecutor(num_threads, "export")
        try:
            yield from in_order(self._begun(pool, ahead), ahead)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _begun(self, pool: ThreadPoolExecutor, ahead: int) -> Iterator[Future[_Ready | _Failure]]:
        for chunk in self._chunks(ahead):
            chosen = [(shard, row) for shard, row, is_kept in chunk if is_kept]
            fetched = iter(self._reader.fetch(*zip(*chosen, strict=True)) if chosen else ())
            for shard, row, is_kept in chunk:
                if is_kept:
                    yield pool.submit(self._prepare, shard, next(fetched))
                else:
                    origin = self._reader.origin_of(shard, row)
                    yield done(_Failure(origin, "selection", "left out by where or exclude"))

    def _rows(self, left_out: bool = True) -> Iterator[tuple[int, int, bool]]:
        """(shard, row, whether it is selected)."""
        for shard, count in enumerate(self._index.shards.num_samples.tolist()):
            kept = np.ones(count, np.bool_)
            if self._selection is not None:
                selected = range(int(self._selection.counts[shard]))
                kept[:] = False
                kept[[self._selection.row(shard, number) for number in selected]] = True
            for row, is_kept in enumerate(kept.tolist()):
                if is_kept or left_out:
                    yield shard, row, is_kept

    def _chunks(self, size: int) -> Iterator[list[tuple[int, int, bool]]]:
        chunk = []
        for item in self._rows():
            chunk.append(item)
            if len(chunk) == size:
                yield chunk
                chunk = []
        yield chunk

    def _plan(self, facts: MediaFacts) -> ClipPlan:
        """What is stored of a medium: the frames of a uniform clip, whole. Raises MediaError."""
        count = max(1, min(self._num_frames, facts.num_frames))
        side = max(1, min(self._short_side, facts.width, facts.height))  # enlarging is for whoever reads
        config = ClipConfig(num_frames=count, size=side, fit="center_crop")
        plan = plan_clip(facts, config, rng(0, self.name, 0, "", "", 0, 0, "export"))  # nothing of it is drawn
        return replace(plan, crop=(0, 0, *plan.resize))

    def _prepare(self, shard: int, fetched: Fetched | SampleError) -> _Ready | _Failure:
        if isinstance(fetched, SampleError):
            return _Failure(fetched.origin, "read", fetched.reason)
        origin = self._reader.origin_of(shard, fetched.sample)
        facts = self._index.rows(shard).facts(fetched.sample)
        try:
            json, txt = (None if text is None else bytes(text) for text in (fetched.json, fetched.txt))
            texts = parse(json, txt, self._reader.rules)
        except TextError as error:
            return _Failure(origin, "read", str(error))
        if not texts.records:
            return _Failure(origin, "read", "has no text record")
        try:
            plan = self._plan(facts)
            media = bytes(fetched.media) if isinstance(fetched.media, memoryview) else fetched.media
            frames = decode(media, facts.kind, plan)
        except MediaError as error:
            return _Failure(origin, "decode", str(error))
        times = [facts.start_time + number / facts.fps if facts.fps else facts.start_time for number in plan.frames]
        stored = MediaFacts(
            "stored",
            "",
            plan.resize[1],
            plan.resize[0],
            len(plan.frames),
            facts.fps * len(plan.frames) / facts.num_frames,
            facts.duration,
            times[0],
        )
        text = {
            "dataset": self.name,
            "shard": origin.shard,
            "times": times,
            "records": texts.records,
            "meta": texts.meta,
        }
        return _Ready(origin, shard, stored, frames, len(texts.records), text)


# ---------------------------------------------------------------- a file that is there


def _settings_of(out: str) -> object:
    """What a finished file was made of and how; None for one that does not say."""
    try:
        return json.loads(Beton(out).text(0)).get(_SETTINGS) if os.path.exists(f"{out}.quarantine.jsonl") else None
    except (DatasetError, ValueError, AttributeError):
        return None  # no file of ours: it is in the way, whatever it is


def _report_finished(report: ExportReport) -> None:
    """The accounts of a file that was there already."""
    found = BetonReader(report.name, report.out, verify="never")
    with open(f"{report.out}.quarantine.jsonl", encoding="ascii") as file:
        lines = [json.loads(line) for line in file]
    report.finished_before = True
    report.samples, report.records = found.file.num_samples, int(found.counts.sum())
    report.frames = int(found.file.rows["num_frames"].sum())
    report.num_quarantined, report.samples_in = len(lines), report.samples + len(lines)
    report.quarantined = dict(Counter(line["stage"] for line in lines))
    failed = [line for line in lines if line["stage"] != "selection"]
    report.quarantine_examples = [
        f"{Origin(line['dataset'], line['shard'], line['key'])}: {line['reason']}" for line in failed[:NUM_EXAMPLES]
    ]
    report.bytes = os.path.getsize(report.out)


# ---------------------------------------------------------------- writing


def _import_ffcv() -> Any:
    """What is used of ffcv. Raises NoFfcv."""
    try:
        from ffcv import fields as kinds
        from ffcv import memory_allocator, writer
    except (ImportError, OSError) as error:
        raise NoFfcv(
            f"ffcv cannot be imported ({error}); install it: apt-get install libopencv-dev libturbojpeg0-dev "
            "pkg-config g++, then pip install 'mcg-streams[ffcv]' (in a checkout: make ffcv)"
        ) from error
    return SimpleNamespace(kinds=kinds, memory_allocator=memory_allocator, writer=writer)


def _most_bytes(frames: int, num_frames: int, text: int) -> int:
    """What a sample takes at most, as pixels or JPEG, with frames and text of so many bytes."""
    return frames + frames // 4 + _JPEG_HEADER * num_frames + text


def _page_bytes(largest: int, num_samples: int) -> int:
    """Size of a page for samples of at most so many bytes, so many of them if that can be: a power of two."""
    for wanted in (num_samples * largest, largest):
        page = max(_MIN_PAGE, 1 << (wanted - 1).bit_length())
        if page <= _MAX_PAGE:
            return page
    raise ExportError(
        f"one sample takes up to {largest} bytes, and a page has at most {_MAX_PAGE}; take fewer frames or a smaller "
        "side"
    )


class _Writer:
    """A file in the making; rows are filled in their order, and what has no row yet leaves nothing but a gap."""

    def __init__(
        self,
        path: str,
        num_frames: int,
        capacity: int,
        page_bytes: int,
        mode: Mode,
        quality: int,
        settings: dict[str, Any],
    ) -> None:
        """settings: what the file is made of and how, which its first sample tells."""
        self._ffcv = _import_ffcv()
        self._settings = settings
        self._num_frames, self._page_bytes, self._mode = num_frames, page_bytes, mode
        self.num_samples = self.num_records = 0
        self._names: list[str] = []
        kinds = self._ffcv.kinds
        make: dict[FieldKind, Callable[[], Any]] = {
            "float": kinds.FloatField,
            "int": kinds.IntField,
            "bytes": kinds.BytesField,
            "json": kinds.JSONField,
            "picture": lambda: kinds.RGBImageField(write_mode=mode, jpeg_quality=quality),
        }
        self._fields = {name: make[kind]() for name, kind in fields(num_frames).items()}
        self._file = self._ffcv.writer.DatasetWriter(path, self._fields, page_bytes)
        assert self._file.metadata_type.itemsize == row_type(num_frames).itemsize
        self._file.num_samples = capacity
        self._file.prepare()
        # It shares the rows with its workers in /dev/shm, which in a container has 64 MB and then kills who writes.
        shared, self._file.metadata_sm = self._file.metadata_sm, None
        shared.close()
        shared.unlink()
        self._rows = np.zeros(capacity, self._file.metadata_type)
        self._named_rows = self._rows.view(row_type(num_frames))
        start = self._file.data_region_start
        self._pages = self._ffcv.memory_allocator.MemoryAllocator(path, start, page_bytes)

    def __enter__(self) -> _Writer:
        self._pages.__enter__()
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        """Finish the file, unless something went wrong."""
        if error is not None:
            self._pages.fp.close()
            return
        self._pages.__exit__(None, None, None)
        self._file.metadata_sm = SimpleNamespace(buf=self._rows.view(np.uint8).data)
        self._file.header["num_samples"] = self.num_samples
        self._file.finalize(self._pages.allocations)

    def write(self, ready: _Ready) -> _Failure | None:
        """Append a sample; says why if it cannot be."""
        if not self.num_samples:
            ready.text[_SETTINGS] = self._settings
        key = np.frombuffer(ready.origin.key.encode(), np.uint8)
        text = len(json.dumps(ready.text)) + 1
        needed = _most_bytes(ready.frames.nbytes, self._num_frames, key.size + text)
        if text > MAX_TEXT_BYTES or needed > self._page_bytes:
            return _Failure(ready.origin, "write", f"frames take {ready.frames.nbytes} bytes, text {text}: too many")
        if ready.origin.shard not in self._names[-1:]:
            self._names.append(ready.origin.shard)
        facts, row = ready.facts, self.num_samples
        values: list[Any] = [key, ready.text, 0, len(self._names) - 1, ready.num_records, facts.num_frames]
        values += [facts.fps, facts.duration, facts.start_time]
        for number in range(self._num_frames):
            values += [ready.frames[number] if number < facts.num_frames else _NO_FRAME, 0]
        self._ffcv.writer.handle_sample(
            values, row, self._file.metadata_type.names, self._rows, self._pages, self._fields
        )
        self._note_checksums(row)
        self.num_samples += 1
        self.num_records += ready.num_records
        return None

    def _note_checksums(self, row: int) -> None:
        """Of what was written last, as it lies in its page."""
        page, values = self._pages, self._named_rows[row]
        begin = page.offset + page.my_page * page.page_size
        written = [
            page.page_data[start - begin : start - begin + size]
            for _, start, size in page.allocations[-2 - self._num_frames :]
        ]
        values["text_sum"] = checksum(*written[:2])
        for number, frame in enumerate(written[2:]):
            values[f"sum_{number}"] = checksum(frame)


def _check_accounts(report: ExportReport, source: _Source, part: str, writer: _Writer) -> None:
    """Compare what came in with what a reader finds in the file."""
    found = BetonReader(source.name, part, verify="never")
    report.samples, report.records = found.file.num_samples, int(found.counts.sum())
    report.frames = int(found.file.rows["num_frames"].sum())
    counted = (source.num_samples, writer.num_samples, writer.num_records)
    if counted != (report.samples + report.num_quarantined, report.samples, report.records):
        raise ExportError(
            f"{report.out}: the accounts do not add up: {source.num_samples} samples came in, {writer.num_samples} "
            f"with {writer.num_records} records were written, {report.num_quarantined} quarantined; the file holds "
            f"{report.samples} with {report.records}; report a bug"
        )
    for row in range(found.file.num_samples):
        numbers = range(int(found.file.rows["num_frames"][row]))
        damages = (found.file.text_damage(row), *(found.file.frame_damage(row, number) for number in numbers))
        damage = next((damage for damage in damages if damage is not None), None)
        if damage is not None:
            raise ExportError(f"{report.out}: what was written of {found.file.key(row)} cannot be read back: {damage}")
