"""Scenes from cuts: they cover a video once; the limits of length hold; key frames are the nearest."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.scenes.scenes import Scene, at_key_frames, between, scenes_of

TIMES = [number / 10 for number in range(100)]


def lengths(cuts: list[int], least: float = 0, most: float | None = None) -> list[int]:
    return [scene.stop - scene.first for scene in scenes_of(cuts, TIMES, 10.0, least, most)]


def test_cuts_become_scenes_with_their_times() -> None:
    assert scenes_of([20, 50], [5 + t for t in TIMES], 15.0, 0, None) == [
        Scene(0, 20, 0, pytest.approx(2)),
        Scene(20, 50, pytest.approx(2), pytest.approx(5)),
        Scene(50, 100, pytest.approx(5), 10),
    ]
    assert scenes_of([], [3.0], 3.04, 1, None) == [Scene(0, 1, 0, pytest.approx(0.04))]


@pytest.mark.parametrize(
    ("cuts", "least", "most", "expected"),
    [
        ([20, 50], 1, None, [20, 30, 50]),
        ([20, 25, 50], 1, None, [20, 30, 50]),
        ([3, 20], 1, None, [20, 80]),
        ([50, 95], 1, None, [50, 50]),
        ([5], 20, None, [100]),
        ([50], 1, 2.5, [25, 25, 25, 25]),
        ([30], 0, 4, [30, 35, 35]),
        ([], 0, 3, [25, 25, 25, 25]),
        ([], 0, 10, [100]),
    ],
)
def test_short_scenes_are_merged_and_long_ones_cut(
    cuts: list[int], least: float, most: float | None, expected: list[int]
) -> None:
    assert lengths(cuts, least, most) == expected


@given(
    steps=st.lists(st.floats(0.001, 2), min_size=1, max_size=60),
    cuts=st.sets(st.integers(1, 59)),
    least=st.floats(0, 3),
    most=st.none() | st.floats(6, 20),
)
def test_scenes_cover_all_frames_once_and_keep_the_limits(
    steps: list[float], cuts: set[int], least: float, most: float | None
) -> None:
    times = [sum(steps[:number]) for number in range(len(steps))]
    end = sum(steps)
    scenes = scenes_of(sorted(cut for cut in cuts if cut < len(times)), times, end, least, most)
    assert [frame for scene in scenes for frame in range(scene.first, scene.stop)] == list(range(len(times)))
    assert scenes[0].start == 0 and scenes[-1].end == pytest.approx(end - times[0])
    assert all(before.end == after.start for before, after in pairwise(scenes))
    if most is None and len(scenes) > 1:
        assert all(scene.end - scene.start >= least - 1e-9 for scene in scenes)
    if most is not None:
        assert all(scene.end - scene.start <= most + max(steps) + 1e-6 for scene in scenes)


@pytest.mark.parametrize(
    ("begins", "keys", "expected"),
    [
        ([0, 40, 80], [0, 12, 24, 36, 48, 60, 72, 84], [0, 36, 84]),
        ([0, 6], [0, 12], [0]),
        ([0, 7], [0, 12], [0, 12]),
        ([0, 40, 41], [0, 40], [0, 40]),
        ([0, 40], [0], [0]),
        ([0, 99], [0, 50], [0, 50]),
        ([0, 5], [], [0]),
    ],
)
def test_the_nearest_key_frame_is_taken_once(begins: list[int], keys: list[int], expected: list[int]) -> None:
    assert at_key_frames(begins, keys) == expected
    assert [scene.first for scene in between(expected, TIMES, 10.0)] == expected
