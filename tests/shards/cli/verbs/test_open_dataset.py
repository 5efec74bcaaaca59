"""The dataset at a path, and for a path without one what is there and what to type."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from shards.base.errors import UsageError
from shards.cli.verbs.open_dataset import open_dataset

VERBS = ("verify", "ls", "stats", "preview", "bench")


@pytest.mark.parametrize("verb", VERBS)
def test_a_path_without_a_dataset_is_named_with_the_remedy(
    run: Callable[..., Result], tmp_path: Path, verb: str
) -> None:
    result = run(verb, tmp_path / "nowhere")
    assert result.exit_code == 2 and not result.stdout
    assert f"{tmp_path}/nowhere: no dataset here" in result.stderr and "check the path" in result.stderr
    (tmp_path / "a.tar").write_bytes(b"")
    result = run(verb, tmp_path)
    assert result.exit_code == 2
    assert "the folder holds 1 tars but no dataset.json; make the index" in result.stderr
    assert f"python -m shards index {tmp_path}" in result.stderr


@pytest.mark.parametrize(("verb", "option"), [("ls", " --shard 000000.tar"), ("verify", ""), ("stats", "")])
def test_one_shard_is_answered_with_what_to_type(
    run: Callable[..., Result], built: Path, monkeypatch: pytest.MonkeyPatch, verb: str, option: str
) -> None:
    shard = built / "000000.tar"
    assert run(verb, shard).stderr == (
        f"error: {shard}: is one shard, not a dataset; type: python -m shards {verb} {built}{option}\n"
    )
    monkeypatch.chdir(built)
    result = run(verb, "000000.tar")
    assert result.exit_code == 2 and result.stderr.endswith(f"type: python -m shards {verb} .{option}\n")
    assert run(verb, ".", *option.split()).exit_code == 0


def test_a_file_of_stored_frames_is_answered_with_what_reads_it(run: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "x.beton").write_bytes(b"")
    result = run("stats", tmp_path / "x.beton")
    assert result.exit_code == 2 and "is a file of stored frames" in result.stderr and "source: ffcv" in result.stderr


def test_one_shard_in_a_store_is_answered_likewise(run: Callable[..., Result], memory_url: str) -> None:
    result = run("stats", f"{memory_url}/000000.tar")
    assert result.exit_code == 2 and result.stderr.endswith(f"type: python -m shards stats {memory_url}\n")


@pytest.mark.parametrize("verb", VERBS)
def test_a_folder_of_datasets_is_answered_with_their_names(
    run: Callable[..., Result], dataset: Path, verb: str
) -> None:
    shutil.copytree(dataset, dataset.parent / "other" / "train")
    (dataset.parent / "other" / "notes").mkdir()
    result = run(verb, dataset.parent)
    assert result.exit_code == 2 and not result.stdout
    assert result.stderr == (
        f"error: {dataset.parent}: no dataset here, but in folders below it: {dataset.parent}/other/train, {dataset}; "
        f"type e.g.: python -m shards {verb} {dataset.parent}/other/train\n"
    )


def test_the_file_dataset_json_stands_for_its_folder(dataset: Path) -> None:
    assert open_dataset(f"{dataset}/dataset.json").url == str(dataset)


def test_shards_may_lie_elsewhere_than_the_index(dataset: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "tars"
    elsewhere.mkdir()
    for shard in dataset.glob("*.tar"):
        shutil.move(shard, elsewhere)
    about = json.loads((dataset / "dataset.json").read_text())
    (dataset / "dataset.json").write_text(json.dumps({**about, "root": str(elsewhere)}))
    opened = open_dataset(str(dataset), roots=[str(tmp_path)])
    assert opened.shards.list(".tar") == ["000000.tar", "000001.tar", "000002.tar"]


def test_usage_errors_name_the_path(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"neither dataset\.json nor tars; check the path, or make the index of tars with: python -m"
    ):
        open_dataset(str(tmp_path))
