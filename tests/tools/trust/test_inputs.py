"""The inputs of a build are recognised by their content; what is missing or strange is told with the option."""

from __future__ import annotations

from pathlib import Path

import pytest

from shards.base import UsageError
from shards.cli import Dataset
from tools.rows import BadRow
from tools.trust.inputs import Inputs, datasets_and_files


def test_the_rows_of_a_build_come_again(train: Dataset, questions: Path) -> None:
    given = {"annotations": questions / "train.jsonl", "id_map": questions / "map.json"}
    rows = list(Inputs(train.index.dataset, train.url, given).rows())
    assert len(rows) == train.index.dataset["num_samples"] + 1
    assert sum(isinstance(row, BadRow) for row in rows) == 1


def test_the_limit_of_a_build_holds(train: Dataset, questions: Path) -> None:
    about = {**train.index.dataset, "provenance": {**train.index.dataset["provenance"], "limit": 2}}
    given = {"annotations": questions / "train.jsonl", "id_map": questions / "map.json"}
    assert len(list(Inputs(about, train.url, given).rows())) == 2


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"annotations": "val.jsonl"}, r"val\.jsonl: is not the file that .* was built from \(train\.jsonl, \d+ bytes"),
        ({"annotations": "train.jsonl"}, "was built with --id-map map.json; give that file"),
        ({"annotations": "none.jsonl"}, "none.jsonl: is not there"),
        ({"annotation": "train.jsonl"}, "did you mean --annotations"),
        ({"split": "train.jsonl"}, "msrvtt_qa has no such file"),
    ],
)
def test_other_files_are_told_in_one_line(train: Dataset, questions: Path, given: dict[str, str], told: str) -> None:
    with pytest.raises(UsageError, match=told) as caught:
        Inputs(train.index.dataset, train.url, {name: questions / file for name, file in given.items()})
    assert "\n" not in str(caught.value)


def test_a_media_folder_that_is_gone_is_asked_for(train: Dataset, questions: Path) -> None:
    about = {**train.index.dataset, "provenance": {**train.index.dataset["provenance"], "media": "/nowhere/media"}}
    given = {"annotations": questions / "train.jsonl", "id_map": questions / "map.json"}
    with pytest.raises(UsageError, match="--media /nowhere/media, which is not there; give --media PATH"):
        Inputs(about, train.url, given)


def test_a_dataset_of_no_build_has_no_inputs(train: Dataset) -> None:
    about = {**train.index.dataset, "provenance": {"tool": "shards index"}}
    with pytest.raises(UsageError, match="was made by shards index, not by tools build"):
        Inputs(about, train.url, {"annotations": Path("a")})


def test_a_dataset_of_some_rows_is_not_compared_with_all(train: Dataset) -> None:
    about = {**train.index.dataset, "provenance": {**train.index.dataset["provenance"], "sample": "0.1"}}
    with pytest.raises(UsageError, match=r"holds a part of the rows \(--sample 0\.1\)"):
        Inputs(about, train.url, {"annotations": Path("a")})


def test_words_become_datasets_and_files_in_any_order() -> None:
    datasets, files = datasets_and_files(["--annotations", "a b.csv", "data/x", "--id-map=m.json", "data/y"])
    assert datasets == ["data/x", "data/y"]
    assert files == {"annotations": Path("a b.csv"), "id_map": Path("m.json")}
    for words in (["--annotations"], ["--annotations="], ["--annotations", "--id-map", "x"]):
        with pytest.raises(UsageError, match=r"--annotations.*: needs a value"):
            datasets_and_files(words)
