"""What .nv-meta says: tars of a split in yaml or json, and members of a field map."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.containers.given import copy_of
from tools.containers.samples.energon import Tar, members_of, tars_of_split
from tools.rows import OptionError


def test_splits_may_be_json_and_counts_may_be_missing(tmp_path: Path) -> None:
    folder = copy_of("energon", tmp_path)
    assert tars_of_split(folder, "train") == [Tar("shard_000.tar", folder / "shard_000.tar", 2, frozenset())]
    (folder / ".nv-meta/.info.json").unlink()
    (folder / ".nv-meta/split.yaml").unlink()
    with pytest.raises(OptionError, match=r"split.yaml: no such file; run `energon prepare` on the folder"):
        tars_of_split(folder, "train")
    (folder / ".nv-meta/split.json").write_text('{"split_parts": {"a": ["{x,y/z}.tar"]}, "exclude": ["x.tar/k/1"]}')
    assert tars_of_split(folder, None) == [
        Tar("x.tar", folder / "x.tar", None, frozenset({"k/1"})),
        Tar("y/z.tar", folder / "y/z.tar", None, frozenset()),
    ]


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ("{image: jpg, caption: txt}", {"media_members": "jpg", "text_members": "txt"}),
        (
            "{video: 'mp4', text: 'json[meta][caption],txt'}",
            {"media_members": "mp4", "text_members": "json,txt", "text_field": "meta.caption"},
        ),
        ("{image: jpg, context: 'json[q]'}", {"media_members": "jpg"}),
    ],
)
def test_a_field_map_names_members(tmp_path: Path, fields: str, options: dict[str, str]) -> None:
    folder = copy_of("energon", tmp_path)
    (folder / ".nv-meta/dataset.yaml").write_text(f"field_map: {fields}\n")
    assert members_of(folder) == (options, False)


def test_without_dataset_yaml_nothing_is_known(tmp_path: Path) -> None:
    folder = copy_of("energon", tmp_path)
    (folder / ".nv-meta/dataset.yaml").unlink()
    assert members_of(folder) == ({}, False)
