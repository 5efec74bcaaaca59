"""The conditions of a selection, each with the samples that it takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from shards.select.conditions import Conditions
from shards.select.exclusion import Exclusions
from shards.select.side_settings import SideSettings
from shards.select.side_tables import SideTables
from tests.shards.small_side import open_index, samples_of, write_side, write_toy


@pytest.mark.parametrize(("elements", "sizes"), [("record", [1, 1, 3, 1, 1]), ("sample", [1] * 5)])
def test_each_condition_says_what_it_takes(tmp_path: Path, elements: str, sizes: list[int]) -> None:
    toy = write_toy(tmp_path / "toy", 5)
    file = write_side(
        tmp_path / "a.parquet",
        samples_of(toy),
        motion=[0.0, 1, 2, 3, 4],
        n=[1, 2, 0, 1, 3],
        t=["x", "x", None, "x", "x"],
    )
    index, where = open_index(toy), "motion > 0 and key != '0001'"
    tables = SideTables(index, SideSettings((str(file),), f"{file}:t", "keep", "n"), where)
    excluded = Exclusions([(None, "0004")])
    conditions = Conditions(index, tables.where, excluded, elements, tables)  # type: ignore[arg-type]
    assert conditions.physical == ["key", "num_records"]
    ((first, stop, table),) = index.scan(conditions.physical)
    assert {what: mask.tolist() for what, mask in conditions.masks(table, first, stop)} == {
        "motion > 0": [False, True, True, True, True],
        "key != '0001'": [True, False, True, True, True],
        "exclude (1 samples)": [True, True, True, True, False],
        "repeat n > 0": [True, True, False, True, True],
    }
    assert conditions.mask(table, first, stop).tolist() == [False, False, False, True, False]
    assert conditions.sizes(table, first, stop).tolist() == sizes
    times = conditions.times(first, stop)
    assert times is not None and times.tolist() == [1, 2, 0, 1, 3]
    plain = Conditions(index, None, Exclusions([]), "record", None)
    assert plain.mask(table, first, stop).all() and plain.sizes(table, first, stop).tolist() == [2, 1, 3, 2, 1]
    assert plain.times(first, stop) is None
