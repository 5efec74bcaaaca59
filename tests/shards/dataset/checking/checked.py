"""Checks of one shard, against its index or against rows."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from shards.dataset.checking.problems import ShardReport
from shards.dataset.checking.verify import check_shard
from shards.dataset.checking.verify_members import ShardMembers
from shards.dataset.index.index import Index
from shards.dataset.index.rows import MemberRow, SampleRow, member_checksum
from shards.dataset.index.write_index import rows_table
from shards.dataset.tars.tar import scan
from shards.media.facts import MediaFacts
from shards.storage.open import open_source
from shards.storage.source import Source

FACTS = MediaFacts("video", "h264", 320, 240, 75, 25.0, 3.0, 0.5)


def check(folder: Path, number: int = 0, source: Source | None = None, **options: object) -> ShardReport:
    """Check a shard of a dataset as its index says."""
    import pyarrow.parquet as pq

    shards = Index.open(open_source(folder)).shards
    first = int(shards.first_row[number])
    table = pq.read_table(folder / "index.parquet").slice(first, int(shards.num_samples[number]))
    return check_shard(
        source or open_source(folder),
        shards.names[number],
        int(shards.bytes[number]),
        shards.checksums[number],
        int(shards.num_elements[number]),
        ShardMembers(table),
        **options,  # type: ignore[arg-type]
    )


def overwrite(shard: Path, offset: int, data: bytes) -> None:
    with open(shard, "r+b") as file:
        file.seek(offset)
        file.write(data)


def found(report: ShardReport) -> list[tuple[str | None, str]]:
    return [(problem.key, problem.what) for problem in report.problems]


def shard_of(
    folder: Path, members: dict[str, bytes], rows: list[SampleRow] | None = None, **options: object
) -> ShardReport:
    """Check a tar of these members against rows, which by default are right."""
    folder.mkdir(exist_ok=True)
    with tarfile.open(folder / "a.tar", "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    if rows is None:
        rows = rows_of(folder, members)
    return check_shard(
        open_source(folder),
        "a.tar",
        (folder / "a.tar").stat().st_size,
        "",
        sum(row.num_records for row in rows),
        ShardMembers(rows_table(0, rows)),
        **options,  # type: ignore[arg-type]
    )


def rows_of(folder: Path, members: dict[str, bytes], facts: MediaFacts = FACTS) -> list[SampleRow]:
    by_key: dict[str, list[MemberRow]] = {}
    for member in scan(folder / "a.tar"):
        key, _, ext = member.name.partition(".")
        row = MemberRow(ext.lower(), member.offset, member.size, member_checksum(members[member.name]))
        by_key.setdefault(key, []).append(row)
    return [SampleRow(key, tuple(rows), 1, facts) for key, rows in by_key.items()]
