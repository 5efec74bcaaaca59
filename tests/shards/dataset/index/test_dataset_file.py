"""A dataset.json that is missing, damaged or of another version is refused with what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from shards.base.errors import DatasetError
from shards.dataset.index.index import Index
from shards.storage.open import open_source
from tests.shards.small_index import bare, edit, refused, save_bare


@pytest.fixture
def folder(tmp_path: Path, build_dataset: Callable[..., str]) -> Path:
    return Path(build_dataset(tmp_path / "toy"))


def test_a_folder_without_dataset_json_is_unfinished(folder: Path) -> None:
    (folder / "dataset.json").unlink()
    refused(folder, r"toy/dataset\.json: not found; .* was not finished \(start the same build command again")
    refused(folder / "nowhere", r"nowhere/dataset\.json: not found")


def test_another_format_version_is_refused(folder: Path) -> None:
    edit(folder / "dataset.json", format_version=2)
    refused(folder, "format_version is 2, this code reads 1")


@pytest.mark.parametrize("text", ["", "{", "[]", "\0" * 10, "[" * 100_000])
def test_a_dataset_json_that_is_none_is_refused(folder: Path, text: str) -> None:
    (folder / "dataset.json").write_text(text)
    refused(folder, r"dataset\.json: (not valid json|should be an object)")


def test_the_root_says_where_shards_lie_and_is_a_text(tmp_path: Path) -> None:
    opened = Index.open(save_bare(tmp_path, [bare(0)], root="s3://bucket/cc"))
    assert opened.shard_source.url == "s3://bucket/cc" and opened.source.url == str(tmp_path)
    edit(tmp_path / "dataset.json", root=7)
    refused(tmp_path, "root should be of type str, is 7")
    edit(tmp_path / "dataset.json", root="simplecache::s3://bucket/cc")
    refused(tmp_path, "root 'simplecache::s3://bucket/cc' is refused")


def test_an_index_from_elsewhere_does_not_lead_to_the_files_of_this_machine(tmp_path: Path) -> None:
    import fsspec

    save_bare(tmp_path, [bare(0)], root="/etc")
    fsspec.filesystem("memory").put(f"{tmp_path}/", "/rooted/", recursive=True)
    for place in (str(tmp_path), "memory://rooted"):
        with pytest.raises(DatasetError, match=rf"{place}/dataset\.json: root '/etc' is refused"):
            Index.open(open_source(place))
        assert Index.open(open_source(place), ["/etc"]).shard_source.url == "/etc"
