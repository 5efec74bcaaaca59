"""Rows with equal media become one sample with all texts; every row is accounted for, also after a kill."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from shards.base import threads
from tests.tools.building.test_build import files, members, rows_of
from tests.tools.watching import watch
from tools.building.build import build
from tools.building.duplicates import MERGED, merge_equal_media
from tools.rows import BadRow, Row


@pytest.fixture
def rows(samples: Path, tmp_path: Path) -> list[Row | BadRow]:
    """Six rows: 1, 3 and 6 have equal bytes in different files, 2 and 5 the same file, 4 is bad."""
    first, second, *_ = sorted((samples / "images").glob("*.jpg"))
    for name in ("copy.jpg", "again.jpg"):
        shutil.copy(first, tmp_path / name)
    paths = [first, second, tmp_path / "copy.jpg", first, second, tmp_path / "again.jpg"]
    made: list[Row | BadRow] = [
        replace(row, records=({"caption": f"caption {number}"},)) for number, row in enumerate(rows_of(paths), 1)
    ]
    made[3] = BadRow.at("line 4", "a.csv", "malformed line", "odd")
    assert isinstance(made[5], Row)
    made[5] = replace(made[5], records=({"caption": "caption 1"},))
    return made


def test_equal_media_are_one_sample_with_all_texts(rows: list[Row | BadRow], tmp_path: Path) -> None:
    merged, number = merge_equal_media(lambda: iter(rows), threads(2))
    assert number == 3
    report = build(merged, str(tmp_path / "out"), "d", "a.csv", deduplicated=True)
    assert (report.num_rows, report.num_samples, report.num_merged, report.num_quarantined) == (6, 2, 3, 1)
    first = json.loads(members(tmp_path / "out")["0001.json"])
    assert first["records"] == [{"caption": "caption 1"}, {"caption": "caption 3"}], "equal texts stand once"
    assert first[MERGED] == [
        {"record": "line 3", "key": "0003", "meta": {"id": "copy.jpg"}},
        {"record": "line 6", "key": "0006", "meta": {"id": "again.jpg"}},
    ]
    again = build(*_again(rows, tmp_path), deduplicated=True)
    assert again.finished_before and (again.num_rows, again.num_merged) == (6, 3)


def _again(rows: list[Row | BadRow], tmp_path: Path) -> tuple[Iterator[Row | BadRow], str, str, str]:
    return merge_equal_media(lambda: iter(rows), threads(1))[0], str(tmp_path / "out"), "d", "a.csv"


def test_a_build_that_was_stopped_goes_on_to_the_same_bytes(rows: list[Row | BadRow], tmp_path: Path) -> None:
    def stop(done: int, bad: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(*_again(rows, tmp_path), samples_per_shard=1, deduplicated=True, progress=watch(stop))
    report = build(*_again(rows, tmp_path), samples_per_shard=1, deduplicated=True)
    assert report.num_resumed == 2 and (report.num_rows, report.num_merged) == (6, 3)
    merged, _ = merge_equal_media(lambda: iter(rows), threads(2))
    build(merged, str(tmp_path / "whole"), "d", "a.csv", samples_per_shard=1, deduplicated=True)
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def test_media_of_equal_size_and_other_bytes_and_lost_files_stay(tmp_path: Path) -> None:
    for name, data in (("a.jpg", b"1234"), ("b.jpg", b"1235"), ("c.jpg", b""), ("d.jpg", b"")):
        (tmp_path / name).write_bytes(data)
    rows = rows_of([tmp_path / name for name in ("a.jpg", "b.jpg", "c.jpg", "d.jpg", "gone.jpg")])
    merged, number = merge_equal_media(lambda: iter(rows), threads(1))
    assert number == 5 and list(merged) == rows
    given = [Row(f"line {n}", f"{n}", ({"caption": f"{n}"},), media=b"same", ext="jpg") for n in range(3)]
    merged, number = merge_equal_media(lambda: iter(given), threads(1))
    assert number == 1 and [row.key for row in merged if isinstance(row, Row)] == ["0"]
