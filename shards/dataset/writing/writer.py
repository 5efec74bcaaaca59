"""Write a dataset: plain WebDataset tars with their index, from any stream of rows.

Promises:
- A shard appears under its name whole or not at all (written aside, synced, renamed; for a URL, uploaded whole).
- A conversion that was killed continues when the same writer is made again and `rows_done` rows are skipped. The result
  is byte for byte that of an uninterrupted run, if the rows come in the same order. A conversion of other
  inputs into the same place is refused (name, limits and provenance are compared), and so is one over finished shards
  that are no longer what was written (by checksum; on a store by version first). The same conversion again, once it is
  finished, is AlreadyFinished: there is nothing to do.
- Rows in = samples + quarantined. A quarantined row is committed together with the shard that was open when it came,
  so a crash can neither lose nor repeat it; quarantine.jsonl is written at the end.
- No key twice in a dataset. Memory does not grow with the samples: keys and quarantined rows are remembered on disk.
Gives up: parallel writing into one dataset (a second local writer is refused), and atomic appearance on remote stores
that show half-uploaded files (S3, GCS and HDFS-likes with rename do not; SFTP does).

While it runs, OUT/unfinished/ holds conversion.json (name, limits and provenance) and the record of each finished
shard (shard_record.py); close() merges these into index.parquet, shards.parquet and quarantine.jsonl, writes
dataset.json last, and removes them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType
from typing import Any

from shards.base.disk_table import DiskTable
from shards.dataset.index.dataset_file import dataset_json
from shards.dataset.index.files import DATASET_FILE, FORMAT_VERSION, INDEX_FILE, SHARDS_FILE
from shards.dataset.index.rows import SampleRow
from shards.dataset.index.shards_file import write_shards
from shards.dataset.index.write_index import rows_table, write_index
from shards.dataset.members.rules import MemberRules
from shards.dataset.writing.conversion import WriteSummary, unfinished_shards
from shards.dataset.writing.new_sample import DuplicateKey, new_members
from shards.dataset.writing.open_shard import NewMember, OpenShard
from shards.dataset.writing.open_target import open_target
from shards.dataset.writing.quarantine import QUARANTINE_FILE
from shards.dataset.writing.shard_record import ShardRecord, read_rows
from shards.dataset.writing.target import UNFINISHED, Target
from shards.media.facts import KeyFrames, MediaFacts
from shards.storage.addresses import is_remote


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
        licence: str | None = None,
        rules: MemberRules | None = None,
    ) -> None:
        """key_frames: whether the index has GOP tables. licence: a note about the terms of use. rules: which members of
        a sample are read, where samples are copied from a dataset that has such rules."""
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
            **({} if rules is None else {"members": rules.model_dump(mode="json")}),
        }
        self._rules, self._licence = rules, licence
        self._key_frames = key_frames
        self._records: list[ShardRecord] = []
        self._pending_quarantine: list[dict[str, Any]] = []
        self._shard: OpenShard | None = None
        self._keys = DiskTable()
        """ "SHARD SAMPLE" of every key."""
        self._state = "open"
        self.rows_done = 0
        try:
            for record, rows in unfinished_shards(self._target, self._conversion):
                number = self._next_number()
                keys = rows.column("key").to_pylist()
                self._keys.update((key, f"{number} {sample}") for sample, key in enumerate(keys))
                self._records.append(record.light())
                self.rows_done = record.rows_done
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
        found = new_members(key, media, ext, records, meta)
        members = [NewMember(f"{key}.{name}", name, data) for name, data in sorted(found.items())]
        self.copy(members, SampleRow(key, (), len(records), facts, key_frames))

    def copy(self, members: Sequence[NewMember], row: SampleRow) -> None:
        """Add a sample as it stands: these members, in their order, and its row, whose members are those.

        Raises DuplicateKey, WriteError.
        """
        self._check_open()
        self._check_duplicate(row.key)
        size = sum(member.num_bytes for member in members)
        if self._shard is not None and self._shard.num_bytes + size > self._max_shard_bytes:
            self._finish_shard()
        with self._breaking():
            if self._shard is None:
                self._shard = OpenShard(self._target.scratch(f"{self._next_number():06d}.tar"))
            self._shard.add(members, row, size)
        self._keys.setdefault(row.key, f"{self._next_number()} {len(self._shard.rows) - 1}")
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
        """Write the last shard, the index and dataset.json. After a WriteError here only a new writer can finish."""
        self._check_open()
        if self._shard is not None:
            self._finish_shard()
        with self._breaking():
            shards = [record.entry for record in self._records]
            num_quarantined = sum(record.num_quarantined for record in self._records) + len(self._pending_quarantine)
            summary = WriteSummary(
                num_rows=self.rows_done,
                num_samples=sum(shard.num_samples for shard in shards),
                num_records=sum(shard.num_elements for shard in shards),
                num_quarantined=num_quarantined,
                num_shards=len(shards),
                bytes=sum(shard.bytes for shard in shards),
            )
            assert summary.num_rows == summary.num_samples + summary.num_quarantined, summary
            target = self._target
            tables = (read_rows(target.unfinished, number) for number in range(len(shards)))
            with target.produce(INDEX_FILE) as path:
                content = write_index(path, tables, summary.num_samples, self._key_frames)
            with target.produce(SHARDS_FILE) as path:
                write_shards(path, shards)
            with target.produce(QUARANTINE_FILE) as path, open(path, "w", encoding="ascii") as file:
                file.writelines(json.dumps(line, ensure_ascii=True) + "\n" for line in self._quarantine_lines())
            name, provenance = self._conversion["name"], self._conversion["provenance"]
            about = dataset_json(
                name, shards, num_quarantined, provenance, rules=self._rules, content=content, licence=self._licence
            )
            target.put(DATASET_FILE, about)
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
            self.close()  # raises if the writer is broken and its WriteError was caught inside the block
        else:
            self.abort()

    # ------------------------------------------------------------ shards and keys

    def _next_number(self) -> int:
        """Number of the open shard, or of the one that would be opened next."""
        return len(self._records)

    def _finish_shard(self) -> None:
        shard, number = self._shard, self._next_number()
        assert shard is not None
        name = f"{number:06d}.tar"
        with self._breaking():
            rows, entry = shard.finish(name)
            record = ShardRecord(entry, self.rows_done, self._pending_quarantine)
            self._target.publish(shard.path, name)
            if is_remote(self._target.url):
                record = replace(record, version=self._target.source.stat(name).version)
            # The commit: a shard without a record is written again by the next attempt, to the same bytes.
            with self._target.produce(f"{UNFINISHED}/{ShardRecord.file_name(number)}") as path:
                record.write(path, rows_table(number, rows, self._key_frames))
        self._records.append(record.light())
        self._shard, self._pending_quarantine = None, []

    def _quarantine_lines(self) -> Iterator[dict[str, Any]]:
        for number in range(len(self._records)):
            yield from ShardRecord.of(read_rows(self._target.unfinished, number)).quarantined
        yield from self._pending_quarantine

    def _check_duplicate(self, key: str) -> None:
        found = self._keys.get(key)
        if found is not None:
            shard, sample = map(int, found.split())
            raise DuplicateKey(
                f"key {key!r} of input row {self.rows_done} is taken already by sample {sample} of {shard:06d}.tar; "
                "keys must be unique in a dataset"
            )

    def _check_open(self) -> None:
        if self._state != "open":
            raise ValueError(f"{self._target.url}: this writer is {self._state}; make a new one to go on")

    @contextmanager
    def _breaking(self) -> Iterator[None]:
        """After a failure inside the block the open shard may be damaged: drop it and refuse further use."""
        try:
            yield
        except BaseException:
            self._state = "broken"
            if self._shard is not None:
                self._shard.discard()
                self._shard = None
            self._target.release()
            raise
