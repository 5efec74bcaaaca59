"""Samples whose members lie apart are told what helps."""

from __future__ import annotations

from pathlib import Path

import pytest

from shards.dataset.members.rules import MemberRules
from shards.dataset.tars.looks import Looks
from shards.dataset.tars.tar import scan
from shards.dataset.tars.tar_samples import read_samples
from tests.shards.foreign_tars import write_tar

RULES = MemberRules()


def reasons(folder: Path, names: list[str], rules: MemberRules = RULES) -> dict[str, str]:
    path = write_tar(folder / "a.tar", [(name, b"text") for name in names])
    found = read_samples(scan(path), str(path), Looks(rules=rules))
    assert found.num_groups == len(found.rows) + len(found.quarantined)
    return {line["member"]: line["reason"] for line in found.quarantined}


def test_pictures_first_and_texts_last_are_to_be_sorted(tmp_path: Path) -> None:
    names = [f"{i}.{ext}" for ext in ("jpg", "txt") for i in range(3)]
    found = reasons(tmp_path, names)
    assert found.keys() == set(names)
    assert all("members of a key are not adjacent: sort the tar" in reason for reason in found.values())
    assert not any("is kept" in reason for reason in found.values())
    assert not reasons(tmp_path, sorted(names))


def test_what_came_too_late_for_a_sample_is_told(tmp_path: Path) -> None:
    found = reasons(tmp_path, ["a.jpg", "a.txt", "b.jpg", "b.txt", "a.json"])
    assert found.keys() == {"a.json"}
    assert "not adjacent" in found["a.json"] and "the sample was made without: json" in found["a.json"]


def test_a_whole_sample_of_a_key_that_came_before_is_a_second_one(tmp_path: Path) -> None:
    names = ["a.jpg", "a.txt", "b.jpg", "b.txt", "c.jpg", "b.jpg", "b.txt", "d.txt", "c.jpg", "c.txt"]
    found = reasons(tmp_path, names)
    assert "a second time in this tar, after other keys; the first sample is kept" in found["b.jpg"]
    assert found["c.jpg"].startswith("the key comes several times")


@pytest.mark.parametrize(
    ("names", "remedy"),
    [
        (["images/0.jpg", "texts/0.txt", "images/1.jpg", "texts/1.txt"], "--key-from name makes them one"),
        (["0.jpg", "meta/0.json", "1.jpg", "meta/1.json"], "--key-from name makes them one"),
        (["images/0.jpg", "images/1.jpg", "texts/0.txt", "texts/1.txt"], "sorted by file name, then --key-from name"),
    ],
)
def test_folders_that_keep_members_apart_are_named(tmp_path: Path, names: list[str], remedy: str) -> None:
    found = reasons(tmp_path, names)
    assert found.keys() == set(names)
    assert all("lie in several folders" in reason and remedy in reason for reason in found.values())
    texts = [(name, b'{"caption": "a"}') for name in names]
    path = write_tar(tmp_path / "b.tar", sorted(texts, key=lambda text: text[0].rpartition("/")[2]))
    rows = read_samples(scan(path), str(path), Looks(rules=MemberRules(key_from="name"))).rows
    assert [row.key for row in rows] == ["0", "1"]


def test_the_same_name_in_folders_that_make_no_sample_is_no_matter_of_folders(tmp_path: Path) -> None:
    found = reasons(tmp_path, ["a/0.jpg", "b/0.jpg"])
    assert all("needs a medium and a json or txt, has jpg" in reason for reason in found.values())


def test_keys_with_dots_are_told_before_the_order(tmp_path: Path) -> None:
    names = ["v_0.0_1.5.mp4", "v_0.0_1.5.txt", "w.jpg", "w.txt", "v_0.3_4.5.mp4", "v_0.3_4.5.txt"]
    found = reasons(tmp_path, names)
    assert len(found) == 2 and all("--key-until last_dot" in reason for reason in found.values())
    assert not reasons(tmp_path, names, MemberRules(key_until="last_dot"))
