"""Numbers of offsets tell the window where they are those of one alone."""

from __future__ import annotations

import pytest

from mcg.convert.window_table import Window, num_offsets, side_of, window_of


@pytest.mark.parametrize("window", [(8, 7, 7), (16, 7, 7), (8, 12, 12), (2, 2, 2), (2, 3, 3), (1, 4, 4)])
def test_the_windows_in_use_are_told_by_their_number_of_offsets(window: Window) -> None:
    assert window_of(num_offsets(window)) == window


@pytest.mark.parametrize("num_rows", [0, 2, 4, 13, 2 * 169, 441, 3375, -9])
def test_no_window_and_several_are_not_told(num_rows: int) -> None:
    assert window_of(num_rows) is None  # 441: (5, 4, 4), (25, 2, 2), (1, 11, 11)


def test_windows_of_pictures_are_squares() -> None:
    assert [side_of(num_rows) for num_rows in (169, 529, 9)] == [7, 12, 2]
    assert [side_of(num_rows) for num_rows in (0, 4, 168, 2535, -1)] == [None] * 5
