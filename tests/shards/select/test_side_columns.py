"""Columns of side tables stand in the order of the samples, in few bytes, with digests of their values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from shards.select.side_columns import NumberColumn, TextColumn, digests_of, one_text
from shards.select.side_file import SideFile
from shards.select.text_blocks import TextCache
from tests.shards.small_side import write_side

ROWS = [("0.tar", "a"), ("0.tar", "b"), ("1.tar", "a")]
COUNTS = np.array([2, 1])
NONE = float("nan")


def column(tmp_path: Path, values: Any, positions: list[int]) -> NumberColumn:
    file = SideFile(str(write_side(tmp_path / "a.parquet", ROWS, None, 2, n=values)))
    return NumberColumn(file, "n", np.array(positions, np.int32), COUNTS)


@pytest.mark.parametrize(
    ("values", "expected", "size"),
    [
        ([0.1, None, 3.0], [0.1, NONE, 3.0], 8),
        (pa.array([0.5, None, 3.0], pa.float32()), [0.5, NONE, 3.0], 4),
        (pa.array([0.5, 1, 3.0], pa.float16()), [0.5, 1, 3.0], 4),
        ([1 << 40, None, -3], [1 << 40, NONE, -3], 8),
        (pa.array([7, None, 255], pa.uint8()), [7, NONE, 255], 4),
        ([True, None, False], [1, NONE, 0], 4),
        (pa.nulls(3), [NONE] * 3, 8),
        ([float("inf"), float("nan"), -0.0], [float("inf"), NONE, 0], 8),
    ],
)
def test_numbers_keep_their_precision_in_few_bytes(
    tmp_path: Path, values: Any, expected: list[float], size: int
) -> None:
    whole = column(tmp_path, values, [0, 1, 2])
    np.testing.assert_array_equal(whole.values, np.array(expected, whole.values.dtype))
    assert whole.values.itemsize == size
    moved = column(tmp_path, values, [2, -1, 0])
    np.testing.assert_array_equal(moved.values, np.array([expected[2], NONE, expected[0]], whole.values.dtype))


def test_digests_are_those_of_the_values_by_shard(tmp_path: Path) -> None:
    first = column(tmp_path, [1.0, 2.0, 3.0], [0, 1, 2]).digests
    assert column(tmp_path, [3.0, 1.0, 2.0], [1, 2, 0]).digests == first
    other = column(tmp_path, [1.0, 2.0, 3.5], [0, 1, 2]).digests
    assert other[0] == first[0] and other[1] != first[1] and len(first) == 2
    assert digests_of(np.empty(0), np.array([0, 0])) == digests_of(np.empty(0, np.uint64), np.array([0, 0]))


def test_texts_are_counted_and_found_by_sample(tmp_path: Path) -> None:
    def of(values: list[Any], positions: list[int]) -> TextColumn:
        file = SideFile(str(write_side(tmp_path / "a.parquet", ROWS, None, 2, t=values)))
        return TextColumn(file, "t", np.array(positions, np.int32), COUNTS, TextCache(), one_text)

    texts = of(["x", None, ""], [2, 1, 0])
    assert texts.num_texts.tolist() == [1, 0, 1] and texts.values(0, 3) == ["", None, "x"]
    texts.prefetch(np.array([0, 2]))
    assert of(["x", None, ""], [-1, 1, 0]).value(0) is None
    assert of(["", None, "x"], [0, 1, 2]).digests == texts.digests
    assert of([None, None, "x"], [0, 1, 2]).digests[0] != texts.digests[0]
