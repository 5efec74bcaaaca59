"""Words that name datasets."""

from __future__ import annotations

from pathlib import Path

import pytest

from shards.base.errors import DatasetError
from tools.duplicates.places import make_out, named_path, open_places
from tools.rows import OptionError


def test_a_name_may_stand_before_a_path() -> None:
    assert named_path("web=s3://bucket/web") == ("web", "s3://bucket/web")
    assert named_path("data/a=b/web") == (None, "data/a=b/web")
    assert named_path("a.b-c=x=y") == ("a.b-c", "x=y")


def test_names_are_those_of_the_index_or_the_given_ones(toy: Path) -> None:
    opened = open_places([str(toy), f"other={toy}"], ())
    assert [place.name for place in opened] == ["toy", "other"]
    assert [reader.name for reader in opened.values()] == ["toy", "other"]


def test_results_go_to_a_local_folder(tmp_path: Path) -> None:
    make_out(tmp_path / "a/b")
    assert (tmp_path / "a/b").is_dir()
    with pytest.raises(OptionError, match="local folder"):
        make_out(Path("s3://bucket/out"))


def test_what_is_no_dataset_is_refused(toy: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"dataset\.json: not found"):
        open_places([str(tmp_path)], ())
    with pytest.raises(OptionError, match="two training sets under the name 'toy'"):
        open_places([str(toy), str(toy)], (), "training sets")
