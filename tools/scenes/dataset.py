"""Cut the videos of a dataset of shards into the clips of another one: `python -m tools scenes DATASET` as a function.

Promises: those of tools/building/conversion.py, where a row is a clip, or a video that gives none. A clip is a sample:
its key is that of its video and its number, its json has the video's key as "parent", "number", "start" and "end"
(seconds) beside what the video's json says, and its records are those of tools/scenes/texts.py. A killed run does not
cut the videos again whose clips are written; how many clips each gave is noted beside a local OUT until it is finished.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any, NamedTuple, TypeVar

from shards.base import ConversionError, Engine, MediaError, SampleRefused, shown, threads
from shards.cli import Progress
from shards.dataset import DatasetWriter, DuplicateKey, Report, TextError, suffix
from shards.read import Origin, Reader, SampleError
from shards.storage import is_remote
from tools.building.conversion import convert_dataset
from tools.rows import BAD_MEDIA, DUPLICATE, MALFORMED, NO_TEXT, BadRow, make_key
from tools.scenes.cutting import Clip
from tools.scenes.texts import records_of
from tools.scenes.video import Cutting, cut_video

_DAMAGED = "damaged sample"
Made = TypeVar("Made")


class _Place(NamedTuple):
    """A row: clip number `number` of the video at (shard, row); None: all of its clips, of which there may be any
    number."""

    shard: int
    row: int
    number: int | None


@dataclass(frozen=True, slots=True)
class _Sample:
    """A clip as it is to be written."""

    origin: Origin
    """That of its video."""
    clip: Clip
    records: list[dict[str, Any]]
    meta: dict[str, Any]


def cut_dataset(
    source: str,
    out: str,
    cutting: Cutting,
    *,
    name: str | None = None,
    samples_per_shard: int = 1000,
    engine: Engine | None = None,
    progress: Progress | None = None,
    roots: Sequence[str] = (),
) -> Report:
    """Write the clips of the dataset at `source` (folder or URL) to `out`, or go on with it.

    engine: where videos are cut; None: two threads. progress counts rows. roots: where the shards may lie beside the
    source. Raises OptionError, ConversionError; WriteError and DatasetError from reader and writer; SourceError.
    """
    cutting.check()
    _open.cache_clear()  # what lies there may have changed since another run of this process
    reader = _open(source, tuple(roots))
    total = int(reader.index.dataset["num_samples"])
    if not total:
        raise ConversionError(f"{shown(source)}: holds no samples; there is nothing to cut")
    rules = {"members": reader.index.dataset["members"]} if reader.index.dataset.get("members") else {}
    origin = {"name": reader.index.dataset["name"], "fingerprint": reader.fingerprint, **rules}
    provenance = {
        "tool": "tools scenes",
        "source": origin,
        "cutting": cutting.describe(),
        "samples_per_shard": samples_per_shard,
    }
    report = Report(name=name or f"{reader.name}_clips", out=out)
    work: Any = _Work(source, tuple(roots), cutting)  # its lists are taken apart by the engine
    with closing(_Notes(out, provenance)) as notes:
        convert_dataset(
            report,
            shown(source),
            _places(reader, notes, work),
            work,
            _write,
            engine=_by_video(engine or threads(2), notes),
            samples_per_shard=samples_per_shard,
            provenance=provenance,
            progress=progress,
        )
        notes.remove()
    return report


@lru_cache(maxsize=1)
def _open(url: str, roots: tuple[str, ...]) -> Reader:
    """The dataset, once in every process."""
    return Reader(None, url, "sample", roots=roots)


@dataclass(frozen=True, slots=True)
class _Work:
    """Cut one video: all of its clips, or one BadRow. It can be pickled: other processes open the dataset anew."""

    url: str
    roots: tuple[str, ...]
    cutting: Cutting

    def __call__(self, place: _Place) -> list[_Sample | BadRow]:
        reader, (shard, row, _) = _open(self.url, self.roots), place
        origin = reader.origin_of(shard, row)
        (fetched,) = reader.fetch([shard], [row])
        if isinstance(fetched, SampleError):
            return [_bad(origin, _DAMAGED, f"{fetched.reason}; copy the shard again, or accept the loss")]
        try:
            records, meta, _ = reader.texts(fetched)
        except TextError as error:
            return [_bad(origin, _DAMAGED, f"{error}; correct the shard, or accept the loss")]
        medium = reader.index.rows(shard).medium(row)
        assert medium is not None and isinstance(fetched.media, bytes)
        try:
            clips = cut_video(fetched.media, suffix(medium.ext), self.cutting)
        except MediaError as error:
            return [_bad(origin, BAD_MEDIA, f".{medium.ext}: {error}, or accept the loss")]
        return [self._sample(origin, clip, records, meta) for clip in clips]

    def _sample(
        self, origin: Origin, clip: Clip, records: Sequence[dict[str, Any]], meta: dict[str, Any]
    ) -> _Sample | BadRow:
        start, end = round(clip.start, 6), round(clip.end, 6)
        found = records_of(records, start, end)
        if not found:
            what = f"no text of the video lies in its clip {clip.number} ({start:g} to {end:g} s); accept the loss"
            return _bad(origin, NO_TEXT, what)
        own = {"parent": origin.key, "number": clip.number, "start": start, "end": end}
        return _Sample(origin, clip, found, {**meta, **own})


def _write(writer: DatasetWriter, made: _Sample) -> BadRow | None:
    clip, origin = made.clip, made.origin
    key = make_key(f"{origin.key}-{clip.number:04d}")
    try:
        writer.write(key, clip.media, clip.ext, made.records, made.meta, clip.facts, clip.key_frames)
    except DuplicateKey as error:
        return _bad(origin, DUPLICATE, f"clip {clip.number}: {error}")
    except SampleRefused as error:
        return _bad(origin, MALFORMED, f"clip {clip.number}: {error}; correct the video's json, or accept the loss")
    return None


def _bad(origin: Origin, category: str, why: str) -> BadRow:
    return BadRow(f"{origin.shard}:{origin.key}", f"{category}: {origin.shard} {origin.key}: {why}")


def _places(reader: Reader, notes: _Notes, work: _Work) -> Iterator[_Place]:
    """A row for every clip that earlier runs have counted, and one for each other video.

    The rows that are drawn before the work begins are those that are written already: where their notes were lost, they
    are counted by cutting their videos again.
    """
    for shard, count in enumerate(reader.index.shards.num_samples.tolist()):
        for row in range(count):
            if (shard, row) not in notes.counts and notes.has_begun:
                yield _Place(shard, row, None)
                continue
            if (shard, row) not in notes.counts:
                notes.add(shard, row, len(work(_Place(shard, row, None))))
            yield from (_Place(shard, row, number) for number in range(notes.counts[shard, row]))


@dataclass(frozen=True, slots=True)
class _WithPlace:
    """Work that also gives its item."""

    work: Callable[[_Place], list[Any]]

    def __call__(self, place: _Place) -> tuple[_Place, list[Any]]:
        return place, self.work(place)


def _by_video(engine: Engine, notes: _Notes) -> Any:
    """An engine that cuts each video once, whatever number of its clips is asked for, and gives these clips."""

    def run(work: Callable[[_Place], list[Made]], places: Iterable[_Place]) -> Generator[Made, None, None]:
        notes.has_begun = True
        firsts = (next(group) for _, group in groupby(places, lambda place: place[:2]))
        with closing(engine(_WithPlace(work), firsts)) as results:
            for place, made in results:
                notes.add(place.shard, place.row, len(made))
                yield from made[place.number or 0 :]

    return run


class _Notes:
    """How many rows each video gave, in a file beside a local OUT; in memory only beside a remote one."""

    def __init__(self, out: str, settings: dict[str, Any]) -> None:
        self.counts: dict[tuple[int, int], int] = {}
        self.has_begun = False
        """True when the rows of earlier runs are skipped and the work begins."""
        self._file = None
        if is_remote(out):
            return
        folder, name = os.path.split(os.path.abspath(out))
        os.makedirs(folder, exist_ok=True)
        self._path = os.path.join(folder, f".{name}.scenes")
        header = json.dumps(settings, sort_keys=True) + "\n"
        with suppress(FileNotFoundError), open(self._path, encoding="utf-8") as file:
            if file.readline() == header:
                for line in file:
                    if line.endswith("\n"):  # else a kill has cut it off
                        shard, row, count = json.loads(line)
                        self.counts[shard, row] = count
        self._file = open(self._path, "w", encoding="utf-8")  # noqa: SIM115 - closed by `close`
        self._file.write(header + "".join(f"[{shard}, {row}, {n}]\n" for (shard, row), n in self.counts.items()))
        self._file.flush()

    def add(self, shard: int, row: int, count: int) -> None:
        """Note a video, and hand it to the system before any of its clips is written."""
        if (shard, row) not in self.counts:
            self.counts[shard, row] = count
            if self._file is not None:
                self._file.write(f"[{shard}, {row}, {count}]\n")
                self._file.flush()

    def remove(self) -> None:
        """Remove the file: the dataset is finished."""
        if self._file is not None:
            os.unlink(self._path)

    def close(self) -> None:
        """Close the file; it stays where the run has not come to its end."""
        if self._file is not None:
            self._file.close()
