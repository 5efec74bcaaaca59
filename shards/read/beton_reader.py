"""Read the samples of a .beton file behind the contract of the loader, as `Reader` reads those of shards.

Promises: the samples keep the shards, keys and records of the dataset they come from, in its order; so the order of
elements, origins and exclusion lists mean the same as with the shards, and if none was left out a loader gives the same
elements in the same order. Facts are those of the stored frames: clip plans choose among them. Text and each frame are
compared with their checksums as `verify` says; what is damaged costs its sample. Threads may share a BetonReader.
Gives up: no remote files. Fetching brings the text only; frames are read by the decoding threads when they are used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import xxhash
from numpy.typing import NDArray

from shards.base.errors import DatasetError, MediaError
from shards.dataset.index.shard_table import ShardTable
from shards.dataset.members.plain_text import TextError
from shards.dataset.members.records import Texts, parse_texts
from shards.dataset.members.rules import UNWRITTEN
from shards.media.facts import MediaFacts
from shards.media.mapped import MappedFrames, Picture
from shards.read.beton import RAW, Beton
from shards.read.fetched import Fetched
from shards.read.sample import Origin, Sample, SampleError
from shards.read.verified import Verify
from shards.storage.addresses import is_remote, local_path

if TYPE_CHECKING:
    import pyarrow as pa

_TEXT_FIELDS = {"dataset": str, "shard": str, "meta": dict}


class _Location(NamedTuple):
    """The path of the file, as the source of an index gives it."""

    url: str


class _Asked(NamedTuple):
    """Elements that are wanted: their shards and rows."""

    shards: list[int]
    rows: list[int]

    def part(self, start: int, stop: int) -> _Asked:
        return _Asked(self.shards[start:stop], self.rows[start:stop])


class _BetonIndex:
    """The index of a file: what a Selection and a reader need to know of samples without reading them."""

    def __init__(self, file: Beton, shard_names: list[str], dataset_name: str) -> None:
        self.source = _Location(file.path)
        self.dataset = {"name": dataset_name}
        self.fingerprint = file.digest
        self.rules = UNWRITTEN
        self._file = file
        shard, records = file.rows["shard"], file.rows["num_records"]
        count = len(shard_names)
        num_samples = np.bincount(shard, minlength=count)
        num_elements = np.add.reduceat(records, np.cumsum(num_samples) - num_samples) if count else np.zeros(0)
        self.first_element = np.concatenate([[0], np.cumsum(records)]).astype(np.int64)
        """(n + 1,) records before each sample."""
        self.shards = ShardTable(
            names=shard_names,
            num_samples=num_samples.astype(np.int64),
            num_elements=num_elements.astype(np.int64),
            bytes=np.zeros(count, np.int64),  # that have to be fetched
            checksums=[""] * count,
            first_row=(np.cumsum(num_samples) - num_samples).astype(np.int64),
        )

    def facts(self, row: int) -> MediaFacts:
        """The facts of the stored frames of row `row` of the file."""
        values = self._file.rows[row]
        first = values["frame_0"]
        codec = "raw" if first["mode"] == RAW else "jpeg"
        size = int(first["width"]), int(first["height"])
        fps, duration, start_time = (float(values[name]) for name in ("fps", "duration", "start_time"))
        return MediaFacts("stored", codec, *size, int(values["num_frames"]), fps, duration, start_time)

    def columns(self, shard: int, names: Sequence[str]) -> pa.Table:
        """Some columns of the samples of one shard, by the names that index.parquet has."""
        first = int(self.shards.first_row[shard])
        return self._table(slice(first, first + int(self.shards.num_samples[shard])), names)

    def scan(self, names: Sequence[str]) -> Iterator[tuple[int, int, pa.Table]]:
        """(first shard, shard behind the last, some columns of their samples)."""
        yield 0, len(self.shards), self._table(slice(0, self._file.num_samples), names)

    def layout_digest(self) -> str:
        """Identifies this index among those of the same samples; there is only one."""
        return self.fingerprint

    def _table(self, rows: slice, names: Sequence[str]) -> pa.Table:
        import pyarrow as pa

        return pa.table({name: self._column(name, rows) for name in names})

    def _column(self, name: str, rows: slice) -> pa.Array:
        import pyarrow as pa

        values = self._file.rows[rows]
        if name == "key":
            return pa.array([self._file.key(row) for row in range(rows.start, rows.stop)], pa.string())
        if name == "kind":
            return pa.array(["stored"] * len(values), pa.string())
        if name == "codec":
            return pa.array(np.where(values["frame_0"]["mode"] == RAW, "raw", "jpeg").tolist(), pa.string())
        if name in ("width", "height"):
            return pa.array(values["frame_0"][name].astype(np.int32))
        if name == "member_ext":  # the frames together stand for a medium; any extension of one will do
            return pa.array([["jpg"]] * len(values), pa.list_(pa.string()))
        if name == "member_size":
            sizes = pa.array(self._file.frame_bytes[rows])
            return pa.ListArray.from_arrays(np.arange(len(values) + 1, dtype=np.int32), sizes)
        return pa.array(np.ascontiguousarray(values[name]))


class BetonReader:
    """The elements of one .beton file."""

    cache = None

    def __init__(
        self,
        dataset_name: str,
        path: str,
        elements: Literal["record", "sample"] = "record",
        verify: Verify = "once",
    ) -> None:
        """Raises DatasetError for a file that is cut off, damaged or not one of ours."""
        if is_remote(path):
            raise DatasetError(f"{path}: a .beton is mapped into memory; copy it to a disk of this machine")
        self.name = dataset_name
        self.elements = elements
        self.file = Beton(local_path(path))
        self._verify = verify
        self._verified = np.zeros((self.file.num_samples, self.file.num_frames + 1), np.bool_)
        """True for frames that were compared; the last column is for texts. (A bit could be lost between threads.)"""
        self.index = _BetonIndex(self.file, *self._read_names())
        self.source = self.index.source

    @property
    def counts(self) -> NDArray[np.int64]:
        """Elements of each shard."""
        return self.index.shards.num_elements if self.elements == "record" else self.index.shards.num_samples

    @property
    def fingerprint(self) -> str:
        """Says which samples these are, and with which frames; 32 hexadecimal digits."""
        return xxhash.xxh3_128_hexdigest(f"beton {self.file.digest}".encode())

    def fingerprints(self) -> Iterator[str]:
        """The fingerprints of the first shard, of the first two, and so on; only that of all is known."""
        return iter([*[""] * (len(self.index.shards) - 1), self.fingerprint])

    def traffic(self) -> dict[str, float]:
        """Nothing is asked of a store."""
        return {}

    def origin(self, shard: int, row: int) -> Origin:
        """The origin of element number `row` of a shard."""
        return self.origin_of(shard, self._locate(shard, row)[0])

    def origin_of(self, shard: int, sample: int) -> Origin:
        """The origin of sample number `sample` of a shard."""
        return Origin(self.name, self.index.shards.names[shard], self.file.key(self._row(shard, sample)))

    def fetch(self, shards: npt.ArrayLike, rows: npt.ArrayLike) -> list[Fetched | SampleError]:
        """The verified text of elements, and their frames to be read; what is damaged stands in its place."""
        return self.take(self.find(shards, rows))

    def find(self, shards: npt.ArrayLike, rows: npt.ArrayLike) -> _Asked:
        """The elements for `take`: of a file there is nothing to look up."""
        return _Asked(np.asarray(shards, np.int64).tolist(), np.asarray(rows, np.int64).tolist())

    def costs(self, found: _Asked) -> None:
        """Nothing is known: the frames of a file are stored, and cost nearly the same for all samples."""

    def take(self, found: _Asked) -> list[Fetched | SampleError]:
        """What `fetch` gives."""
        return list(map(self._fetch, found.shards, found.rows))

    def sample(self, origin: Origin, shard: int, fetched: Fetched, draw: Callable[[], np.random.Generator]) -> Sample:
        """Parse the text, and choose the record, which is drawn if none was planned. Raises SampleError."""
        assert fetched.json is not None and isinstance(fetched.media, MappedFrames)
        row = self._row(shard, fetched.sample)
        num_records = int(self.file.rows["num_records"][row])
        if not num_records:
            raise SampleError(origin, "has no text record")
        try:
            records, content, _ = self.texts(fetched)
        except TextError as error:
            raise SampleError(origin, str(error)) from error
        if len(records) != num_records:
            raise SampleError(origin, f"json has {len(records)} records, the file says {num_records}")
        record = fetched.record if fetched.record is not None else int(draw().integers(num_records))
        facts = self.index.facts(row)
        return Sample(origin, fetched.media, facts, records[record], record, content["meta"], tuple(records))

    def texts(self, fetched: Fetched) -> Texts:
        """The records of what was fetched, and what its json says about the sample as a whole. Raises TextError."""
        assert fetched.json is not None
        return _parse(bytes(fetched.json))

    def _fetch(self, shard: int, number: int) -> Fetched | SampleError:
        sample, record = self._locate(shard, number)
        row = self._row(shard, sample)
        if self._is_due(row, -1):
            damage = self.file.text_damage(row)
            if damage is not None:
                return SampleError(self.origin_of(shard, sample), damage)
            self._verified[row, -1] = True
        num_frames, size = int(self.file.rows["num_frames"][row]), int(self.file.frame_bytes[row])
        frames = MappedFrames(num_frames, partial(self._picture, row), size)
        return Fetched(sample, record, frames, self.file.text(row), None)

    def _picture(self, row: int, number: int) -> Picture:
        """One stored frame. Raises MediaError."""
        if self._is_due(row, number):
            damage = self.file.frame_damage(row, number)
            if damage is not None:
                raise MediaError(damage)
            self._verified[row, number] = True
        frame = self.file.frame(row, number)
        return frame if frame.ndim == 3 else frame.tobytes()

    def _is_due(self, row: int, number: int) -> bool:
        """True if the checksum of frame `number` of a row is to be compared; -1: that of its text."""
        return self._verify == "always" or (self._verify == "once" and not self._verified[row, number])

    def _row(self, shard: int, sample: int) -> int:
        return int(self.index.shards.first_row[shard]) + sample

    def _locate(self, shard: int, number: int) -> tuple[int, int | None]:
        """(sample, record) of one element."""
        if not (0 <= shard < len(self.counts) and 0 <= number < self.counts[shard]):
            raise IndexError(f"{self.name}: no element {number} in shard {shard}")
        if self.elements == "sample":
            return number, None
        before = self.index.first_element
        first_row = int(self.index.shards.first_row[shard])
        number += int(before[first_row])
        row = int(np.searchsorted(before, number, side="right")) - 1
        return row - first_row, number - int(before[row])

    def _read_names(self) -> tuple[list[str], str]:
        """Names of the shards, each told by its first whole sample, and of the dataset."""
        shard = self.file.rows["shard"]
        names, dataset = [], ""
        for number, first in enumerate(np.flatnonzero(np.diff(shard, prepend=-1)).tolist()):
            for row in range(first, int(np.searchsorted(shard, number, side="right"))):
                if self.file.text_damage(row) is None:
                    break
            else:
                raise DatasetError(f"{self.file.path}: all samples of shard {number} are damaged; export it again")
            try:
                content = _parse(self.file.text(row))[1]
            except TextError as error:
                raise DatasetError(f"{self.file.path}: row {row}: {error}; export it again") from error
            names.append(content["shard"])
            dataset = content["dataset"]
        if len(set(names)) < len(names):
            raise DatasetError(f"{self.file.path}: two of its shards have one name; export it again")
        return names, dataset


def _parse(text: bytes) -> Texts:
    """Records and the rest of a sample's json. Raises TextError."""
    texts = parse_texts(text, None, UNWRITTEN)
    for name, kind in _TEXT_FIELDS.items():
        if not isinstance(texts.meta.get(name), kind):
            raise TextError(f"json should have {name!r} of type {kind.__name__}")
    return texts
