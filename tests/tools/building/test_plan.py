"""A plan says what a build would make of every row, and neither reads media nor writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.building.test_build import rows_of
from tools.building.build import build
from tools.building.plan import plan
from tools.rows import BadRow, Row


def test_it_agrees_with_the_build_where_no_bytes_are_needed(samples: Path, tmp_path: Path) -> None:
    paths = sorted((samples / "images").glob("*.jpg"))[:5]
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "a.exe").write_bytes(b"x")
    rows: list[Row | BadRow] = list(rows_of([*paths, tmp_path / "empty.jpg", tmp_path / "a.exe", tmp_path / "no.jpg"]))
    rows += [rows_of(paths)[0], BadRow.at("line 10", "a.csv", "no usable text", "empty")]
    for number in (8,):
        row = rows[number]
        assert isinstance(row, Row)
        rows[number] = Row("line 9", row.key, row.records, row.meta, row.media_path)
    found = plan(rows, "out", "d", "a.csv", samples_per_shard=2)
    made = build(rows, str(tmp_path / "out"), "d", "a.csv", samples_per_shard=2)
    for name in ("num_rows", "num_samples", "num_records", "num_quarantined", "quarantined", "num_shards"):
        assert getattr(found, name) == getattr(made, name), name
    assert found.bytes == sum(path.stat().st_size for path in paths) and found.num_requests == 0
    assert len(found.examples) == 5 and not Path("out").exists()
    assert plan(rows, "s3://b/out", "d", "a.csv", samples_per_shard=2).num_requests > 3


def test_no_medium_is_opened(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    (tmp_path / "a.jpg").chmod(0)
    found = plan(rows_of([tmp_path / "a.jpg"]), "out", "d", "a.csv", samples_per_shard=2)
    assert (found.num_samples, found.num_shards) == (1, 1)


@pytest.mark.parametrize("size", [300 << 20])
def test_shards_are_closed_by_their_bytes_too(tmp_path: Path, size: int) -> None:
    with open(tmp_path / "a.mp4", "wb") as file:
        file.truncate(size)
    assert plan(rows_of([tmp_path / "a.mp4"] * 7), "out", "d", "a.csv", samples_per_shard=100).num_shards == 3
