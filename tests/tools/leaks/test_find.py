"""Leaks between small datasets and annotation files, and what a loader of the training side makes of the list."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from shards.base.engines import threads
from tests.tools.duplicates.conftest import COPIES, clip, video, write
from tests.tools.duplicates.test_find import keys_of, left_out
from tools.duplicates.find import Found
from tools.leaks.find import find_leaks
from tools.rows import AnnotationError, OptionError


def find(train: list[str | Path], evaluation: list[str | Path], out: Path, **others: object) -> Found:
    return find_leaks(list(map(str, train)), list(map(str, evaluation)), out, engine=threads(2), **others)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> Path:
    media = {f"video{seed}": video(clip(seed)) for seed in (1, 2, 3, 4)}
    media |= {"plain": video(clip(6)), "copy": COPIES["cropped"](clip(7)), "whole": video(clip(8))}
    return write(tmp_path_factory.mktemp("train") / "msrvtt", media)


@pytest.fixture(scope="module")
def test(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the same name as the training side, as splits of a set are."""
    media = {"video7020": video(clip(2)), "e": video(clip(7)), "f": COPIES["cropped"](clip(8)), "g": video(clip(9))}
    return write(tmp_path_factory.mktemp("test") / "msrvtt", media)


def test_planted_leaks_are_left_out_by_a_loader_and_nothing_else(train: Path, test: Path, tmp_path: Path) -> None:
    listed = tmp_path / "test.json"
    listed.write_text(json.dumps({"train": [{"video": 4}], "val": [{"video": "video3.mp4"}], "test": [{"video": 1}]}))
    found = find([train], [test, f"msrvtt_qa={listed}"], tmp_path / "out")
    assert found.pairs == {"id": 2, "content": 1, "near": 2}
    assert found.between == {"msrvtt and msrvtt": {"content": 1, "near": 2}, "msrvtt and msrvtt_qa": {"id": 2}}
    assert sorted(keys_of(train, tmp_path / "out/exclude.jsonl")) == ["plain", "video4"]
    kinds = {line["key"]: line["kind"] for line in left_out(tmp_path / "out")}
    assert kinds == {"video1": "id", "video2": "content", "video3": "id", "copy": "near", "whole": "near"}
    page = (tmp_path / "out/report.html").read_text()
    assert "the same video by its id" in page and "test.json" in page and "mark" in page


def test_ids_alone_need_no_medium(train: Path, tmp_path: Path) -> None:
    listed = tmp_path / "MSRVTT_test.csv"
    listed.write_text("key,video_id,sentence\n0,video2,hello\n1,9999,hello\n")
    found = find([train], [listed], tmp_path / "out", ids_only=True)
    assert (found.pairs, found.excluded) == ({"id": 1}, 1)
    assert found.datasets == {"train msrvtt": 7, "eval MSRVTT_test": 2}
    assert not (tmp_path / "out/hashes").exists()


def test_a_training_side_of_annotations_is_excluded_by_key(tmp_path: Path) -> None:
    (tmp_path / "train.json").write_text(json.dumps([{"video_id": 3, "question": "?"}, {"video_id": 4}]))
    (tmp_path / "val_list.txt").write_text("-4wsuPCjDBc_5_15\n")
    (tmp_path / "youtube_mapping.txt").write_text("-4wsuPCjDBc_5_15 vid4\nabc_1_2 vid3\n")
    words = [f"msvd={tmp_path}/train.json"], [f"msvd={tmp_path}/val_list.txt"]
    found = find([*words[0]], [*words[1]], tmp_path / "out", id_map=tmp_path / "youtube_mapping.txt")
    assert found.pairs == {"id": 1}
    lines = [(line["dataset"], line["key"], "shard" in line) for line in left_out(tmp_path / "out")]
    assert lines == [("msvd", "-4wsuPCjDBc_5_15", False), ("msvd", "4", False)]


def test_no_leak_leaves_nothing_out(train: Path, tmp_path: Path) -> None:
    apart = write(tmp_path / "apart", {"n": video(clip(11)), "black": video(np.zeros_like(clip(1)))})
    found = find([train], [apart], tmp_path / "out")
    assert (found.pairs, found.excluded, left_out(tmp_path / "out")) == ({}, 0, [])
    assert "Nothing was found" in (tmp_path / "out/report.html").read_text()


def test_wrong_sides_are_refused(train: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="for training and for evaluation"):
        find([train], [f"other={train}"], tmp_path / "out")
    with pytest.raises(OptionError, match="no such file"):
        find([train], [tmp_path / "none.json"], tmp_path / "out")
    (tmp_path / "val.yaml").write_text("img: a.tsv")
    with pytest.raises(OptionError, match=r"val.yaml: ids are not read from such a file; give one of .json, .jsonl"):
        find([train], [tmp_path / "val.yaml"], tmp_path / "out")
    (tmp_path / "odd.json").write_text('{"train": [{"caption": "x"}]}')
    with pytest.raises(AnnotationError, match=r"odd.json: no id of a video of the evaluation side"):
        find([train], [tmp_path / "odd.json"], tmp_path / "out")
