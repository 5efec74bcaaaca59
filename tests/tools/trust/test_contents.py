"""The hashes of a dataset find its keys and tell its texts apart."""

from __future__ import annotations

import shutil
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from shards.cli import Dataset, open_dataset
from tools.trust.contents import key_hash, read_contents, records_hash
from tools.trust.texts import TextFigures


def test_every_key_is_found_and_no_other(train: Dataset) -> None:
    counts: list[int] = []
    contents = read_contents(train.index, TextFigures(), counts.append)
    keys = list(train.index.rows(0).keys)
    assert contents.find(keys).tolist() == list(range(len(keys))) and sum(counts) == len(contents) == len(keys)
    assert contents.find(["nobody", keys[-1]]).tolist() == [-1, len(keys) - 1]


def test_a_missing_shard_gives_unreadable_samples(copy: Path) -> None:
    (copy / "000000.tar").unlink()
    dataset, figures = open_dataset(str(copy)), TextFigures()
    contents = read_contents(dataset.index, figures, lambda count: None)
    assert figures.unreadable == len(contents) and not contents.records.any()
    shutil.rmtree(copy)


@settings(max_examples=40, deadline=None)
@given(record=st.dictionaries(st.text(max_size=4), st.text(max_size=8) | st.integers() | st.none(), max_size=4))
def test_the_order_of_fields_does_not_matter_but_their_values_do(record: dict[str, object]) -> None:
    turned = dict(reversed(record.items()))
    assert records_hash([record]) == records_hash([turned]) != 0
    assert records_hash([record]) != records_hash([{**record, "caption": "something else"}])


def test_a_key_of_lone_surrogates_has_a_hash() -> None:
    assert key_hash("\ud800") != key_hash("\ud801")
