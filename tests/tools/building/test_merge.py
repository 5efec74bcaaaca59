"""Merged parts are the dataset of one run; parts that are missing, unfinished or of another build are refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from shards.base import DatasetError, WrongPlace
from shards.dataset import Index
from shards.storage import open_source
from tests.servers.s3 import S3Server
from tests.tools.building.test_build import files, quarantine, rows_of
from tools.building.build import build
from tools.building.merge import check_unmerged, merge_parts
from tools.building.parts import Part
from tools.rows import BadRow, Row

BLOCK = 2


@pytest.fixture
def rows(samples: Path) -> list[Row | BadRow]:
    return list(rows_of(sorted((samples / "images").glob("*.jpg"))[:9]))


def run(rows: list[Row | BadRow], out: Path | str, part: Part | None = None, **provenance: object) -> None:
    about = {"samples_per_shard": BLOCK, **provenance, **({} if part is None else {"part": str(part)})}
    build(rows, str(out), "d", "a.csv", samples_per_shard=BLOCK, provenance=about, part=part)


def run_parts(rows: list[Row | BadRow], out: Path | str, of: int) -> None:
    for number in range(of, 0, -1):
        run(rows, out, Part(number, of))


def without_parts(folder: Path) -> dict[str, bytes]:
    found = files(folder)
    about = json.loads(found["dataset.json"])
    about["provenance"].pop("parts", None)
    return {**found, "dataset.json": json.dumps(about).encode()}


@pytest.mark.parametrize("of", [1, 2, 7])
def test_merged_parts_are_the_shards_of_one_run(rows: list[Row | BadRow], tmp_path: Path, of: int) -> None:
    run_parts(rows, tmp_path / "out", of)
    run(rows, tmp_path / "whole")
    report = merge_parts(str(tmp_path / "out"))
    assert (report.num_rows, report.num_samples, report.num_shards) == (9, 9, 5)
    assert without_parts(tmp_path / "out") == without_parts(tmp_path / "whole")
    again = merge_parts(str(tmp_path / "out"))
    assert again.finished_before and (again.num_rows, again.bytes) == (9, report.bytes)
    with pytest.raises(DatasetError, match="holds a finished dataset already: its parts are not built again"):
        check_unmerged(str(tmp_path / "out"))


def test_quarantined_rows_keep_their_number_among_all(rows: list[Row | BadRow], tmp_path: Path) -> None:
    for number in (0, 3, 4, 5):
        rows[number] = BadRow.at(f"line {number + 1}", "a.csv", "media not found", "gone")
    run_parts(rows, tmp_path / "out", 3)  # the third part has no sample
    report = merge_parts(str(tmp_path / "out"))
    assert (report.num_samples, report.quarantined) == (5, {"media not found": 4})
    assert [line["row"] for line in quarantine(tmp_path / "out")] == [0, 3, 4, 5]
    assert [line["record"] for line in quarantine(tmp_path / "out")] == ["line 1", "line 4", "line 5", "line 6"]


def test_parts_that_are_not_all_there_or_not_finished_are_named(rows: list[Row | BadRow], tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(WrongPlace, match=r"has no parts; build them first"):
        merge_parts(str(out))
    run(rows, out, Part(2, 3))
    with pytest.raises(WrongPlace, match=r"2 of 3 parts are missing \(1/3, 3/3\); run .* --shard 1/3"):
        merge_parts(str(out))
    for number in (1, 3):
        run(rows, out, Part(number, 3))
    (out / "parts/3-of-3/dataset.json").unlink()
    with pytest.raises(WrongPlace, match=r"1 of 3 parts is not finished \(3/3\)"):
        merge_parts(str(out))
    run(rows, out, Part(1, 2))
    with pytest.raises(WrongPlace, match="holds parts of 2 and of 3; delete those of the wrong number"):
        merge_parts(str(out))


def test_a_part_of_another_build_and_a_key_in_two_parts_are_refused(rows: list[Row | BadRow], tmp_path: Path) -> None:
    run(rows, tmp_path / "a", Part(1, 2))
    run(rows, tmp_path / "a", Part(2, 2), annotations="other")
    match = r"parts/2-of-2: was made with provenance.annotations = 'other', parts/1-of-2 with None; .*the same command"
    with pytest.raises(DatasetError, match=match):
        merge_parts(str(tmp_path / "a"))
    twice = rows[0]
    assert isinstance(twice, Row)
    rows[2] = replace(twice, record_id="line 3")
    run_parts(rows, tmp_path / "b", 2)
    with pytest.raises(DatasetError, match="keys stand in two parts: 0001 in parts/1-of-2 and parts/2-of-2; remove"):
        merge_parts(str(tmp_path / "b"))
    assert not list((tmp_path / "b").glob("*.tar")), "nothing was moved"
    run(rows, tmp_path / "c")
    with pytest.raises(DatasetError, match="holds a dataset that was not merged from parts"):
        merge_parts(str(tmp_path / "c"))


def test_a_merge_that_was_killed_anywhere_goes_on(rows: list[Row | BadRow], tmp_path: Path) -> None:
    built, whole = tmp_path / "built", tmp_path / "whole"
    run_parts(rows, built, 2)
    shutil.copytree(built, whole)
    merge_parts(str(whole))
    shards = Index.open(open_source(str(whole))).shards.names
    for moved in range(len(shards) + 1):  # the names in the parts alternate
        out = tmp_path / f"out{moved}"
        shutil.copytree(built, out)
        for number in range(moved):
            own = out / f"parts/{number % 2 + 1}-of-2" / f"{number // 2:06d}.tar"
            own.rename(out / shards[number])
        if moved == len(shards):  # all but the last removals was done
            shutil.copy(whole / "index.parquet", out)
        merge_parts(str(out))
        assert files(out) == files(whole)
    shutil.copy(whole / "dataset.json", tmp_path / "dataset.json")
    (whole / "parts/1-of-2").mkdir(parents=True)
    shutil.copy(whole / "index.parquet", whole / "parts/1-of-2")
    assert merge_parts(str(whole)).finished_before and not (whole / "parts").exists()


def test_shards_that_were_lost_or_cut_between_are_named(rows: list[Row | BadRow], tmp_path: Path) -> None:
    run_parts(rows, tmp_path / "out", 2)
    with open(tmp_path / "out/parts/2-of-2/000001.tar", "ab") as file:
        file.write(b"more")
    with pytest.raises(DatasetError, match=r"parts/2-of-2/000001.tar: has \d+ bytes, \d+ were written"):
        merge_parts(str(tmp_path / "out"))
    (tmp_path / "out/parts/2-of-2/000001.tar").unlink()
    with pytest.raises(DatasetError, match=r"parts/2-of-2/000001.tar: is missing; copy it there again"):
        merge_parts(str(tmp_path / "out"))


def check_in_store(rows: list[Row | BadRow], out: str) -> None:
    run_parts(rows, out, 2)
    assert merge_parts(out).num_samples == 9
    assert Index.open(open_source(out)).shards.names == [f"{number:06d}.tar" for number in range(5)]
    assert len(open_source(out).list()) == 9
    assert merge_parts(out).finished_before


def test_parts_in_a_store_are_merged_there(rows: list[Row | BadRow]) -> None:
    check_in_store(rows, "memory://tools/merged")


@pytest.mark.long
def test_parts_in_s3_are_merged_there(
    rows: list[Row | BadRow], s3_server: S3Server, use_s3: Callable[..., None]
) -> None:
    use_s3(s3_server)
    check_in_store(rows, f"s3://{s3_server.bucket}/merged")
