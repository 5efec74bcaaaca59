"""Write a dataset: plain WebDataset tars with their index, from any stream of rows.

Promises:
- A shard appears under its name whole or not at all (written aside, synced, renamed; for a URL, uploaded whole).
- A conversion that was killed is taken up by making the same writer again and skipping `rows_done` rows. The result
  is byte for byte that of an uninterrupted run, provided the rows come in the same order. A conversion of other
  inputs into the same place is refused (name, limits and provenance are compared), and so is one over finished shards
  that are no longer what was written (by checksum; on a store by version first). The same conversion again, once it is
  finished, is AlreadyFinished: there is nothing to do.
- Rows in = samples + quarantined. A quarantined row is committed together with the shard that was open when it came,
  so a crash can neither lose nor repeat it; quarantine.jsonl is written at the end.
- No key twice in a dataset (memory: about 100 bytes a sample).
Gives up: parallel writing into one dataset (a second local writer is refused), and atomic appearance on remote stores
that show half-uploaded files (S3, GCS and HDFS-likes with rename do not; SFTP does).

While it runs, OUT/unfinished/ holds conversion.json (what is being converted) and a small parquet file per finished
shard; close() merges these into index.parquet, shards.parquet and quarantine.jsonl, writes dataset.json last, and
removes them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from types import TracebackType
from typing import TYPE_CHECKING, Any

from shards.base.errors import DatasetError
from shards.base.json_text import load_json
from shards.dataset.index.dataset_file import dataset_json
from shards.dataset.index.files import DATASET_FILE, FORMAT_VERSION, INDEX_FILE, SHARDS_FILE
from shards.dataset.index.rows import SampleRow
from shards.dataset.index.shards_file import write_shards
from shards.dataset.index.write_index import rows_table, write_index
from shards.dataset.tars.entries import BLOCK
from shards.dataset.writing.conversion import AlreadyFinished, WriteSummary, damage, finished, first_difference
from shards.dataset.writing.new_sample import SampleRefused, check_key, check_members, text_member
from shards.dataset.writing.open_shard import OpenShard
from shards.dataset.writing.open_target import open_target
from shards.dataset.writing.quarantine import QUARANTINE_FILE
from shards.dataset.writing.shard_record import ShardRecord, write_part
from shards.dataset.writing.target import UNFINISHED, Target
from shards.dataset.writing.write_error import WriteError
from shards.media.facts import KeyFrames, MediaFacts
from shards.storage.addresses import is_remote
from shards.storage.file import SourceFile

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "QUARANTINE_FILE",
    "AlreadyFinished",
    "DatasetWriter",
    "DuplicateKey",
    "SampleRefused",
    "WriteError",
    "WriteSummary",
]

_CONVERSION = "conversion.json"


class DuplicateKey(SampleRefused):
    """A key that the dataset already has."""


class DatasetWriter:
    """Writes one dataset (one split) to a folder or URL prefix; see the module for what it promises.

    rows_done: how many input rows are already covered; the caller skips that many.
    A with block that ends by an exception leaves the finished shards for the next attempt; one that ends well closes.
    Every error below is raised before the row counts, so the caller may quarantine it:
    SampleRefused, DuplicateKey. WriteError ends the conversion. Not for several threads at once.
    """

    def __init__(
        self,
        out_url: str | os.PathLike[str],
        name: str,
        samples_per_shard: int = 1000,
        max_shard_bytes: int = 1 << 30,
        provenance: Mapping[str, Any] | None = None,
        key_frames: bool = False,
    ) -> None:
        """key_frames: whether the index has GOP tables."""
        if samples_per_shard < 1 or max_shard_bytes < 1:
            raise ValueError(
                f"samples_per_shard {samples_per_shard} and max_shard_bytes {max_shard_bytes} must be positive"
            )
        self._target: Target = open_target(os.fspath(out_url))
        self._samples_per_shard, self._max_shard_bytes = samples_per_shard, max_shard_bytes
        self._conversion = {
            "format_version": FORMAT_VERSION,
            "name": name,
            "samples_per_shard": samples_per_shard,
            "max_shard_bytes": max_shard_bytes,
            # Through json, so that what is compared at a resume is what was stored.
            "provenance": json.loads(json.dumps(dict(provenance or {}), allow_nan=False)),
            **({"key_frames": True} if key_frames else {}),
        }
        self._key_frames = key_frames
        self._parts: list[ShardRecord] = []
        self._pending_quarantine: list[dict[str, Any]] = []
        self._shard: OpenShard | None = None
        self._shard_of_key: dict[int, int] = {}
        self._state = "open"
        self.rows_done = 0
        self._part_keys = lru_cache(maxsize=16)(self._read_part_keys)
        try:
            self._begin()
        except BaseException:
            self._target.release()
            raise

    # ------------------------------------------------------------ rows

    def write(
        self,
        key: str,
        media: bytes,
        ext: str,
        records: Sequence[Mapping[str, Any]],
        meta: Mapping[str, Any],
        facts: MediaFacts,
        key_frames: KeyFrames | None = None,
    ) -> None:
        """Add one sample: KEY.EXT and KEY.json. key_frames: its GOP table, where the index has them.

        Raises SampleRefused, DuplicateKey, WriteError.
        """
        self._check_open()
        members = {"json": text_member(key, records, meta), ext: media}
        check_key(key)
        check_members(key, members)
        place = _key_hash(key)
        self._check_duplicate(key, place)
        size = sum(BLOCK + -(-len(data) // BLOCK) * BLOCK for data in members.values())
        if self._shard is not None and self._shard.num_bytes + size > self._max_shard_bytes:
            self._finish_shard()
        with self._breaking():
            if self._shard is None:
                self._shard = OpenShard(self._target.scratch(f"{self._next_number():06d}.tar"))
            self._shard.add(key, members, SampleRow(key, (), len(records), facts, key_frames), size)
        self._shard_of_key[place] = self._next_number()
        self.rows_done += 1
        if len(self._shard.rows) >= self._samples_per_shard:
            self._finish_shard()

    def quarantine(self, record_id: str, reason: str) -> None:
        """Count a row that gave no sample, with its id in the input and why."""
        self._check_open()
        self._pending_quarantine.append({"row": self.rows_done, "record": record_id, "reason": reason})
        self.rows_done += 1

    # ------------------------------------------------------------ end

    def close(self) -> WriteSummary:
        """Finish: last shard, index, dataset.json. Calling it again after a WriteError here is not possible; resume."""
        self._check_open()
        if self._shard is not None:
            self._finish_shard()
        with self._breaking():
            shards = [part.entry for part in self._parts]
            quarantined = [line for part in self._parts for line in part.quarantined] + self._pending_quarantine
            summary = WriteSummary(
                num_rows=self.rows_done,
                num_samples=sum(shard.num_samples for shard in shards),
                num_records=sum(shard.num_elements for shard in shards),
                num_quarantined=len(quarantined),
                num_shards=len(shards),
                bytes=sum(shard.bytes for shard in shards),
            )
            assert summary.num_rows == summary.num_samples + summary.num_quarantined, summary
            target = self._target
            tables = (self._read_part(number) for number in range(len(shards)))
            contents: list[str] = []
            target.produce(
                INDEX_FILE,
                lambda path: contents.append(write_index(path, tables, summary.num_samples, self._key_frames)),
            )
            target.produce(SHARDS_FILE, lambda path: write_shards(path, shards))
            lines = "".join(json.dumps(line, ensure_ascii=True) + "\n" for line in quarantined)
            target.put(QUARANTINE_FILE, lines.encode())
            name, provenance = self._conversion["name"], self._conversion["provenance"]
            said = dataset_json(name, shards, len(quarantined), provenance, content=contents[-1])
            target.put(DATASET_FILE, said)
            target.clear()
        self._state = "closed"
        target.release()
        return summary

    def abort(self) -> None:
        """Drop the open shard; finished ones stay for a resume. Harmless when already closed."""
        if self._state == "closed":
            return
        self._state = "closed"
        if self._shard is not None:
            self._shard.discard()
            self._shard = None
        self._target.release()

    def __enter__(self) -> DatasetWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._state != "closed":
            self.close()  # a broken writer says so here, should its WriteError have been caught inside the block
        else:
            self.abort()

    # ------------------------------------------------------------ start and resume

    def _begin(self) -> None:
        target = self._target
        files = target.list()
        if DATASET_FILE in files:
            target.clear()  # a conversion killed between writing dataset.json and this
            raise finished(target.source, files, QUARANTINE_FILE, self._conversion)
        leftover = target.list_unfinished()
        if _CONVERSION not in leftover:
            shards = [name for name in files if name.endswith(".tar")]
            if shards:
                raise DatasetError(
                    f"{target.url}: holds {len(shards)} tar files ({shards[0]}, ...) that no unfinished conversion "
                    "accounts for; choose an empty place"
                )
            target.put(f"{UNFINISHED}/{_CONVERSION}", json.dumps(self._conversion, indent=2).encode())
            return
        self._check_same_conversion()
        parts = [name.removesuffix(".parquet") for name in leftover if name.endswith(".parquet")]
        numbers = sorted(int(part) for part in parts if part.isdecimal())
        if numbers != list(range(len(numbers))):
            raise DatasetError(
                f"{target.url}/{UNFINISHED}: files are missing among {numbers}; delete {target.url}, start over"
            )
        for number in numbers:
            table = self._read_part(number)
            part = ShardRecord.from_metadata(table.schema.metadata[b"part"])
            found = damage(target.source, part.entry, part.version) if part.entry.name in files else "is missing"
            if found:
                again = f"{target.url}/{UNFINISHED}/{number:06d}.parquet"
                raise DatasetError(
                    f"{target.url}/{part.entry.name}: should have {part.entry.bytes} bytes, {found}; delete {again} "
                    f"and those behind it to make it and the shards behind it again, or delete {target.url} and start "
                    "over"
                )
            self._parts.append(part)
            for key in table.column("key").to_pylist():
                self._shard_of_key[_key_hash(key)] = number
        self.rows_done = self._parts[-1].rows_done if self._parts else 0

    def _check_same_conversion(self) -> None:
        path = f"{self._target.url}/{UNFINISHED}/{_CONVERSION}"
        try:
            before = load_json(self._target.unfinished.read(_CONVERSION))
        except ValueError as error:
            raise DatasetError(f"{path}: not valid json ({error}); delete {self._target.url} and start over") from error
        difference = first_difference(before, self._conversion)
        if difference is not None:
            name, was, now = difference
            raise DatasetError(
                f"{self._target.url}: holds an unfinished conversion with {name} = {was!r}, this one has "
                f"{'none' if now is None else repr(now)}; start the same conversion again, or delete the folder to "
                "start over"
            )

    # ------------------------------------------------------------ shards and parts

    def _next_number(self) -> int:
        return len(self._parts)

    def _finish_shard(self) -> None:
        shard, number = self._shard, self._next_number()
        assert shard is not None
        name = f"{number:06d}.tar"
        with self._breaking():
            rows, entry = shard.finish(name)
            part = ShardRecord(entry, self.rows_done, self._pending_quarantine)
            self._target.publish(shard.path, name)
            if is_remote(self._target.url):
                part = replace(part, version=self._target.source.stat(name).version)
            # The part file is the commit: a shard without one is written again by the next attempt, to the same bytes.
            table = rows_table(number, rows, self._key_frames).replace_schema_metadata({"part": part.to_metadata()})
            self._target.produce(f"{UNFINISHED}/{number:06d}.parquet", lambda path: write_part(path, table))
        self._parts.append(part)
        self._shard, self._pending_quarantine = None, []

    def _read_part(self, number: int) -> pa.Table:
        import pyarrow.parquet as pq

        return pq.ParquetFile(SourceFile(self._target.unfinished, f"{number:06d}.parquet")).read(use_threads=False)

    def _read_part_keys(self, number: int) -> dict[str, int]:
        return {key: row for row, key in enumerate(self._read_part(number).column("key").to_pylist())}

    def _check_duplicate(self, key: str, place: int) -> None:
        number = self._shard_of_key.get(place)
        if number is None:
            return
        if number == self._next_number() and self._shard is not None:
            first = next((i for i, row in enumerate(self._shard.rows) if row.key == key), None)
        else:
            first = self._part_keys(number).get(key)
        if first is not None:  # else: two keys with one 64-bit hash
            raise DuplicateKey(
                f"key {key!r} of input row {self.rows_done} is taken already by sample {first} of {number:06d}.tar; "
                "keys must be unique in a dataset"
            )

    def _check_open(self) -> None:
        if self._state != "open":
            raise ValueError(f"{self._target.url}: this writer is {self._state}; make a new one to go on")

    @contextmanager
    def _breaking(self) -> Iterator[None]:
        """After a failure in here the open shard is in doubt: drop it and refuse further use."""
        try:
            yield
        except BaseException:
            self._state = "broken"
            if self._shard is not None:
                self._shard.discard()
                self._shard = None
            self._target.release()
            raise


# ---------------------------------------------------------------- one sample


def _key_hash(key: str) -> int:
    import xxhash

    return xxhash.xxh3_64_intdigest(key.encode())


# ---------------------------------------------------------------- one shard
