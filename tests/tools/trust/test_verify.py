"""A check of a dataset tells what is wrong with its place, and nothing where all is well."""

from __future__ import annotations

from pathlib import Path

import pytest

from shards.cli import Progress, open_dataset, show_progress
from tools.trust.inputs import Inputs
from tools.trust.verify import Result, verify


def check(*folders: Path, inputs: Inputs | None = None, decode: int = 8, every_byte: bool = False) -> Result:
    datasets = [open_dataset(str(folder)) for folder in folders]
    with show_progress("verify", None, "samples") as progress:
        assert isinstance(progress, Progress)
        return verify(datasets, inputs, decode=decode, every_byte=every_byte, seed=0, jobs=2, progress=progress)


def test_whole_splits_have_no_problem(questions: Path) -> None:
    result = check(questions / "train", questions / "val")
    assert result.num_problems == 0 and result.to_dict()["ok"] and result.problems == []
    train, val = result.datasets
    assert train.decoded == train.samples and (train.quarantined, val.quarantined) == (1, 0)
    assert train.published == ("train", "texts", 158_581) and train.here == train.texts == 10


def test_a_medium_that_does_not_decode_is_named(copy: Path) -> None:
    dataset = open_dataset(str(copy))
    medium = dataset.index.rows(0).medium(0)
    assert medium is not None
    data = bytearray((copy / "000000.tar").read_bytes())
    data[medium.offset : medium.offset + medium.size] = bytes(medium.size)
    (copy / "000000.tar").write_bytes(data)
    drawn, every = check(copy), check(copy, every_byte=True)
    key = dataset.index.rows(0).keys[0]
    assert drawn.num_problems == 1 and f"000000.tar:{key}" in drawn.problems[0]
    assert every.num_problems > 0 and every.datasets[0].bytes is not None
    assert check(copy, decode=0).num_problems == 0


@pytest.mark.parametrize("damage", ["texts", "shard"])
def test_texts_that_cannot_be_read_are_problems(copy: Path, damage: str) -> None:
    dataset = open_dataset(str(copy))
    text = dataset.index.rows(0).chosen(0)[1]
    assert text is not None
    data = bytearray((copy / "000000.tar").read_bytes())
    data[text.offset] = 0xFF
    (copy / "000000.tar").write_bytes(data if damage == "texts" else data[: text.offset])
    result = check(copy, decode=0)
    assert result.num_problems >= 1 and "texts cannot be read" in result.problems[0]


def test_rows_that_do_not_fit_are_problems(copy: Path, questions: Path) -> None:
    dataset = open_dataset(str(copy))
    given = {"annotations": questions / "val.jsonl", "id_map": questions / "map.json"}
    inputs = Inputs(dataset.index.dataset, dataset.url, given, changed=True)
    result = check(copy, inputs=inputs, decode=0)
    told = " ".join(result.problems)
    assert "rows are neither samples nor in the quarantine" in told and "samples come from no row" in told
    assert result.datasets[0].comparison is not None and result.datasets[0].comparison.samples == 0


def test_a_split_beside_itself_shares_all(questions: Path) -> None:
    result = check(questions / "val", questions / "val", decode=0)
    assert "ids, e.g." in result.problems[0] and "media, e.g." in result.problems[1]
