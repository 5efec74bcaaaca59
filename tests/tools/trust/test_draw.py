"""A draw is the seed's alone, in order, without doubles."""

from __future__ import annotations

from pathlib import Path

import pytest

from shards.cli import open_dataset
from tests.shards.small_dataset import write_dataset
from tools.trust.draw import draw, single


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("many") / "d", "many", 60, per_shard=7)


def test_a_draw_is_a_function_of_its_seed(many: Path) -> None:
    index = open_dataset(str(many)).index
    first, again, other = (list(single(draw(index, 20, seed, "test"))) for seed in (1, 1, 2))
    assert first == again != other and first == sorted(set(first)) and len(first) == 20
    assert list(single(draw(index, 20, 1, "else"))) != first


def test_all_samples_are_drawn_where_there_are_fewer(many: Path) -> None:
    index = open_dataset(str(many)).index
    places = list(single(draw(index, 1000, 0, "test")))
    assert places == [(number // 7, number % 7) for number in range(60)]
    assert list(single(draw(index, 0, 0, "test"))) == []
