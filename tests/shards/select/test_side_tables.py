"""What a config wants of side tables, and what is refused in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from shards.base.errors import ConfigError, SideTableError, WhereError
from shards.loader.config import DatasetConfig
from tests.shards.small_side import NUM, RECORDS, loader_of, one, samples_of, write_side, write_toy


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy"))


def test_a_name_means_one_column(toy: Path, tmp_path: Path) -> None:
    every = samples_of(toy)
    a = write_side(tmp_path / "a.parquet", every, motion=[1] * NUM, duration=[1.0] * NUM, n=[1] * NUM)
    b = write_side(tmp_path / "b.parquet", every, motion=[2] * NUM)
    both = (str(a), str(b))
    for fields, message in (
        ({"where": "motion > 1"}, r"a.parquet: column 'motion' is in side table .*b.parquet, too, and where uses"),
        (
            {"where": "duration > 1"},
            r"a.parquet: column 'duration' is in the index, too, and where",
        ),
        ({"repeat": "motion"}, r"a.parquet: column 'motion' is in side table .*b.parquet, too, and repeat uses"),
    ):
        with pytest.raises(SideTableError, match=message):
            loader_of(one(toy, side=both, **fields))
    with loader_of(one(toy, side=both, repeat="n", where="num_records > 0")) as loader:  # nothing else is used
        assert loader.num_elements == sum(RECORDS[i % 3] for i in range(NUM))


def test_names_that_where_cannot_use_are_told(toy: Path, tmp_path: Path) -> None:
    more = {"motion score": [0.1] * NUM, "class": [1] * NUM, "when": pa.array([0] * NUM, pa.timestamp("us"))}
    side = (str(write_side(tmp_path / "a.parquet", samples_of(toy), None, text=["x"] * NUM, **more)),)
    for where, message in (
        ("motion score > 1", r"a.parquet: column 'motion score' has a name .* as 'motion_score'"),
        ("class == 1", r"a.parquet: column 'class' has a name that where cannot hold; .* as '_class'"),
    ):
        with pytest.raises(SideTableError, match=message):
            loader_of(one(toy, side=side, where=where))
    for where, message in (
        (
            "when > 1",
            r"'when' of a side table holds timestamp\[us\]; .*; when holds timestamp\[us\] in side",
        ),
        ("text > 1", r"takes a string, '1' is a number, at 'text > 1'; text holds texts in side table .*a.parquet"),
        (
            "txt > 1",
            r"neither the index nor a side table has a column 'txt'; did you mean 'text'\? .* text",
        ),
    ):
        with pytest.raises(WhereError, match=message):
            loader_of(one(toy, side=side, where=where))


def test_repeats_are_whole_numbers_of_a_table(toy: Path, tmp_path: Path) -> None:
    def of(values: list[Any]) -> DatasetConfig:
        return one(toy, side=(str(write_side(tmp_path / "a.parquet", samples_of(toy), n=values)),), repeat="n")

    for value, said in ((2.5, "2.5"), (-1.0, "-1"), (1001, "1001"), (float("inf"), "inf")):
        with pytest.raises(SideTableError, match=rf"column 'n' holds {said} for sample 2 of 000001.tar, one of 1 such"):
            loader_of(of([1.0] * 7 + [value] + [1.0] * (NUM - 8)))
    with pytest.raises(SideTableError, match="column 'n' holds texts; repeat takes numbers"):
        loader_of(of(["1"] * NUM))
    with pytest.raises(ValueError, match=r"exclude or a side table leaves none of 23 samples; .* repeat n > 0: 0"):
        loader_of(of([0] * NUM))
    with pytest.raises(SideTableError, match=r"repeat: no side table has a column 'm'; .*a.parquet has n \(numbers\)"):
        loader_of(one(toy, side=(str(tmp_path / "a.parquet"),), repeat="m"))
    with pytest.raises(ConfigError, match="evaluation reads every element once; remove repeat from"):
        loader_of(of([1] * NUM), mode="eval")
