"""A dataset is compared with its rows both ways: what is missing, too much or changed is counted and named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from shards.cli import Dataset, open_dataset
from shards.dataset import DatasetWriter
from shards.media import MediaFacts
from tools.rows import BadRow, Row
from tools.trust.against import Comparison, compare
from tools.trust.contents import read_contents
from tools.trust.inputs import Inputs
from tools.trust.texts import TextFigures


@pytest.fixture
def rows(train: Dataset, questions: Path) -> list[Row | BadRow]:
    given = {"annotations": questions / "train.jsonl", "id_map": questions / "map.json"}
    return list(Inputs(train.index.dataset, train.url, given).rows())


def compared(train: Dataset, rows: Iterator[Row | BadRow] | list[Row | BadRow]) -> Comparison:
    return compare(train.index, read_contents(train.index, TextFigures(), lambda count: None), rows)


def test_what_was_built_fits(train: Dataset, rows: list[Row | BadRow]) -> None:
    found = compared(train, iter(rows))
    assert found.num_problems == 0 and found.rows == found.samples + found.quarantined == len(rows)
    assert found.quarantined == 1


def test_the_order_of_rows_does_not_matter(train: Dataset, rows: list[Row | BadRow]) -> None:
    assert compared(train, rows[::-1]).num_problems == 0


def test_each_difference_is_counted_and_named(train: Dataset, rows: list[Row | BadRow]) -> None:
    first, second, *others = (row for row in rows if isinstance(row, Row))
    changed = replace(second, records=({**second.records[0], "answer": "another"},))
    new = replace(first, key="new", record_id="line 500")
    refused = BadRow("line 501", "malformed line: train.jsonl line 501: what")
    found = compared(train, [changed, *others, new, refused])
    assert (found.missing, found.changed, found.extra, found.refused) == (1, 1, 1, 1)
    assert found.examples["missing"] == ["line 500: new"] and found.examples["changed"][0].endswith(second.key)
    assert found.examples["extra"] == [f"000000.tar:{first.key}"]
    assert found.rows == 4 + len(others) - 1 and found.num_problems == 4


def test_merged_rows_are_found_in_the_sample_that_has_their_texts(tmp_path: Path) -> None:
    texts = [{"caption": "a"}, {"caption": "b"}, {"caption": "c"}]
    with DatasetWriter(tmp_path / "d", "d") as writer:
        meta = {"merged_records": [{"record": "line 2", "key": "k2"}, {"record": "line 3", "key": "k3"}]}
        writer.write("k1", b"x", "png", texts, meta, MediaFacts("image", "png", 4, 4, 1))
    rows = [Row(f"line {n}", f"k{n}", (record,), media=b"x", ext="png") for n, record in enumerate(texts, 1)]
    dataset = open_dataset(str(tmp_path / "d"))
    found = compared(dataset, list(rows))
    assert (found.rows, found.samples, found.merged, found.num_problems) == (3, 1, 2, 0)
    other = replace(rows[2], records=({"caption": "else"},))
    found = compared(dataset, [*rows[:2], other])
    assert (found.changed, found.examples["changed"]) == (1, ["line 3: k3"])
