"""What earlier runs left is used if it was made with the same options."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from shards.base.errors import DatasetError, WrongPlace
from shards.dataset.indexing.cost import Step
from shards.dataset.indexing.indexer import index_tars
from shards.dataset.members.rules import UNWRITTEN, MemberRules
from shards.dataset.tars.looks import Looks
from tests.shards.dataset.indexing.indexed import HEADERS, MEDIA, index_of
from tests.shards.foreign_tars import img2dataset_files, write_tar


def test_a_second_run_reads_only_what_is_new_or_changed(tars: Path) -> None:
    first = index_tars(str(tars))
    assert first.num_scanned == 3
    before = {name: (tars / name).read_bytes() for name in ("index.parquet", "shards.parquet", "quarantine.jsonl")}
    again = index_tars(str(tars))
    assert (again.num_scanned, again.num_shards, again.num_gone) == (0, 3, 0)
    assert {name: (tars / name).read_bytes() for name in before} == before
    write_tar(tars / "00001.tar", [*img2dataset_files(["new"]), ("odd", b"x")])
    write_tar(tars / "00003.tar", img2dataset_files(["a", "b"]))
    (tars / "00000.tar").unlink()
    report = index_tars(str(tars))
    assert (report.num_scanned, report.num_shards, report.num_gone) == (2, 3, 1)
    assert (report.num_samples, report.num_quarantined) == (1 + 4 + 2, 1)
    opened = index_of(tars)
    assert [list(opened.rows(shard).keys) for shard in (0, 2)] == [["new"], ["a", "b"]]
    # A third run keeps the quarantine of shards that it does not read.
    assert index_tars(str(tars)).num_quarantined == 1
    [line] = (tars / "quarantine.jsonl").read_text().splitlines()
    assert json.loads(line) == {
        "shard": "00001.tar",
        "key": None,
        "member": "odd",
        "reason": "the name has no key: it should be KEY.EXTENSION; rename it, if it belongs to a sample",
    }


def test_other_looks_read_everything_again(tars: Path) -> None:
    index_tars(str(tars), looks=HEADERS)
    assert index_tars(str(tars)).num_scanned == 3
    assert index_tars(str(tars), looks=MEDIA).num_scanned == 3
    assert index_of(tars).has_key_frames
    assert index_tars(str(tars), looks=MEDIA).num_scanned == 0
    assert index_of(tars).has_key_frames


def test_an_incremental_index_is_the_one_that_a_whole_run_makes(tars: Path, tmp_path: Path) -> None:
    index_tars(str(tars / "{00000,00002}.tar"), looks=MEDIA)
    index_tars(str(tars), looks=MEDIA)
    index_tars(str(tars), str(tmp_path / "whole"), looks=MEDIA)
    for name in ("index.parquet", "shards.parquet"):
        assert (tars / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_the_old_index_is_valid_until_the_new_one_is_written(tars: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index_tars(str(tars))
    write_tar(tars / "00003.tar", img2dataset_files(["a"]))
    seen = []

    def look(step: Step) -> None:
        seen.append(index_of(tars).dataset["num_samples"])

    index_tars(str(tars), on_tar=look)
    assert seen == [12] and index_of(tars).dataset["num_samples"] == 13


@pytest.mark.parametrize("name", ["index.parquet", "shards.parquet", "quarantine.jsonl", "dataset.json"])
def test_a_run_that_stops_while_files_are_put_in_place_is_finished_by_the_next(
    tars: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    index_tars(str(tars))
    write_tar(tars / "00003.tar", img2dataset_files(["a"]))
    replace = os.replace

    def stop(source: str, path: str) -> None:
        if os.path.basename(path) == name:
            raise KeyboardInterrupt
        replace(source, path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", stop)
        with pytest.raises(KeyboardInterrupt):
            index_tars(str(tars))
    report = index_tars(str(tars))
    assert report.num_samples == index_of(tars).dataset["num_samples"] == 13
    assert sorted(os.listdir(tars))[4:] == ["dataset.json", "index.parquet", "quarantine.jsonl", "shards.parquet"]


def test_an_unfinished_conversion_is_left_alone(tars: Path) -> None:
    (tars / "unfinished").mkdir()
    (tars / "unfinished" / "conversion.json").write_text("{}")
    with pytest.raises(WrongPlace, match="holds an unfinished conversion"):
        index_tars(str(tars))
    assert (tars / "unfinished" / "conversion.json").exists()


def test_rules_are_of_an_index_and_a_new_one_reads_all_tars(tmp_path: Path) -> None:
    tars = tmp_path / "d"
    write_tar(tars / "0.tar", [("0.jpg", b"x"), ("0.png", b"x"), ("0.txt", b"y")])
    assert index_tars(str(tars)).num_scanned == 1 and index_tars(str(tars)).num_scanned == 0
    rules = MemberRules(media=("png",))
    assert not index_tars(str(tars)).notes
    report = index_tars(str(tars), looks=Looks(rules=rules))
    assert report.num_scanned == 1 and index_of(tars).rules == rules
    assert any("made with none of these options; this one is made with other options" in note for note in report.notes)
    dataset = json.loads((tars / "dataset.json").read_text())
    assert dataset["members"]["media"] == ["png"]
    dataset["members"]["media"] = ["txt"]
    (tars / "dataset.json").write_text(json.dumps(dataset))
    with pytest.raises(DatasetError, match=r"dataset.json: members: .*'txt' is neither"):
        index_of(tars)
    del dataset["members"]  # as 2bab904 wrote it
    (tars / "dataset.json").write_text(json.dumps(dataset))
    assert index_of(tars).rules == UNWRITTEN
    assert index_tars(str(tars)).num_scanned == 1


def test_a_number_that_is_none_and_a_second_medium_are_noted_also_by_a_run_that_was_stopped(tmp_path: Path) -> None:
    files = [("0.jpg", b"x"), ("0.mp4", b"x"), ("0.json", b'{"caption": "a", "similarity": NaN}')]
    for shard in range(2):
        write_tar(tmp_path / "d" / f"{shard}.tar", files)

    def stop(step: Step) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index_tars(str(tmp_path / "d"), on_tar=stop)
    notes = index_tars(str(tmp_path / "d")).notes
    assert sorted(notes.values()) == [2, 2]
    assert any("read as null" in note for note in notes) and any("video taken" in note for note in notes)
