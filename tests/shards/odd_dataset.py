"""Datasets for tests of reading: one sample with any text and any row, and damage done to a shard."""

from __future__ import annotations

import json
import os
from pathlib import Path

from shards.dataset.index.dataset_file import dataset_json
from shards.dataset.index.rows import MemberRow, SampleRow, member_checksum
from shards.dataset.index.shard_table import ShardEntry
from shards.dataset.index.shards_file import write_shards
from shards.dataset.index.write_index import rows_table, write_index
from shards.media.facts import MediaFacts
from shards.read.reader import Reader

GOOD = json.dumps({"records": [{"caption": "c"}]}).encode()


def dataset_of(folder: Path, text: bytes, count: int = 1, gap: int = 0, **row: object) -> Reader:
    """A dataset of one sample whose json member is text; shard and index agree, whatever the text is.

    count: list the sample so often. gap: bytes that lie between its members.
    """
    folder.mkdir(parents=True)
    media = b"media"
    shard = media + bytes(gap) + text
    (folder / "000000.tar").write_bytes(shard)
    members = (
        MemberRow("mp4", 0, len(media), member_checksum(media)),
        MemberRow("json", len(media) + gap, len(text), member_checksum(text)),
    )
    facts = MediaFacts("video", "h264", 8, 8, 8)
    rows = [SampleRow("k" if count == 1 else f"{i}", members, 1, facts)._replace(**row) for i in range(count)]  # type: ignore[arg-type]
    entry = ShardEntry("000000.tar", count, sum(row.num_records for row in rows), len(shard), "0" * 32)
    write_index(str(folder / "index.parquet"), [rows_table(0, rows)])
    write_shards(str(folder / "shards.parquet"), [entry])
    (folder / "dataset.json").write_bytes(dataset_json("odd", [entry], 0, {}))
    return Reader("odd", str(folder), "sample")


def member(folder: Path, key: str, ext: str) -> tuple[int, int]:
    from shards.dataset.tars.tar import scan

    return next((m.offset, m.size) for m in scan(folder / "000000.tar") if m.name == f"{key}.{ext}")


def flip(folder: Path, key: str, ext: str) -> None:
    """Change a byte as a failing disk does: the file keeps its time."""
    offset, size = member(folder, key, ext)
    before = (folder / "000000.tar").stat()
    with open(folder / "000000.tar", "r+b") as file:
        file.seek(offset + size // 2)
        byte = file.read(1)[0]
        file.seek(offset + size // 2)
        file.write(bytes([byte ^ 4]))
    os.utime(folder / "000000.tar", ns=(before.st_atime_ns, before.st_mtime_ns))
