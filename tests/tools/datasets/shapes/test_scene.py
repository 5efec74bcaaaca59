"""What a scene of moving shapes promises: questions that need what they ask, and texts that need the clip."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from tools.datasets import shapes
from tools.datasets.shapes import COLORS, DIRECTIONS, NUM_FRAMES, OPPOSITE, SIZE, Figure


def scenes(count: int, split: str = "train", seed: int = 0) -> list[shapes.Scene]:
    return [shapes.Scene.draw(seed, split, "questions", number) for number in range(count)]


def center_of(frame: Any, background: Any) -> Any:
    """Mean (y, x) of the pixels that differ from the background."""
    there = np.abs(frame.astype(int) - np.array(background)).sum(-1) > 60
    return np.argwhere(there).mean(0)


def test_splits_share_no_clip() -> None:
    pictures = [scene.render().tobytes() for split in shapes.SPLITS for scene in scenes(60, split)]
    assert len(set(pictures)) == len(pictures)


@pytest.mark.parametrize("number", range(0, 60, 3))
def test_the_shape_moves_the_way_the_answer_says(number: int) -> None:
    scene = shapes.Scene.draw(0, "train", "questions", number)
    frames = scene.render()
    (direction,) = [answer for kind, _, answer in scene.asked if kind == "direction"]
    way = center_of(frames[-1], scene.background) - center_of(frames[0], scene.background)
    assert way @ np.array(DIRECTIONS[direction]) > 15
    assert abs(way @ np.array(DIRECTIONS[direction])[::-1]) < 3
    assert DIRECTIONS[OPPOSITE[direction]] == tuple(-v for v in DIRECTIONS[direction])


@pytest.mark.parametrize("number", range(2, 62, 3))
def test_the_first_shape_is_done_before_the_last_one_moves(number: int) -> None:
    scene = shapes.Scene.draw(0, "train", "questions", number)
    moves = [np.abs(np.diff(figure.path, axis=0)).sum(1) > 0 for figure in scene.figures]
    named = {f"{figure.color} {figure.shape}": moved for figure, moved in zip(scene.figures, moves, strict=True)}
    first, last = named[scene.facts["first"]], named[scene.facts["last"]]
    assert first.any() and last.any()
    assert np.flatnonzero(first).max() < np.flatnonzero(last).min()
    for kind, question, answer in scene.asked:
        wanted = scene.facts["first" if "first" in question else "last"]
        assert kind == "order" and answer in wanted.split()


def test_counts_are_the_number_of_shapes() -> None:
    for scene in scenes(90)[1::3]:
        (answer,) = [answer for _, _, answer in scene.asked]
        assert shapes.NUMBERS[len(scene.figures) - 1] == answer


def test_no_figure_leaves_the_picture_by_more_than_a_little() -> None:
    for scene in scenes(120):
        for figure in scene.figures:
            assert (figure.path > -2).all() and (figure.path < SIZE + 2).all()


def test_the_commonest_answer_of_each_type_stays_below_a_third() -> None:
    by_type: dict[str, Counter[str]] = {}
    for scene in scenes(900, "test"):
        for kind, _, answer in scene.asked:
            by_type.setdefault(kind, Counter())[answer] += 1
    assert set(by_type) == {"color", "shape", "direction", "count", "order"}
    for kind, answers in by_type.items():
        assert max(answers.values()) / sum(answers.values()) < 1 / 3, (kind, answers)


def test_position_does_not_tell_the_direction() -> None:
    middles: dict[str, list[Any]] = {}
    for scene in scenes(1800)[0::3]:
        middles.setdefault(scene.facts["direction"], []).append(scene.figures[0].path.mean(0))
    for way in DIRECTIONS:
        assert np.abs(np.mean(middles[way], 0) - np.mean(middles[OPPOSITE[way]], 0)).max() < 3


@pytest.mark.parametrize("shape", shapes.SHAPES)
def test_every_shape_fills_a_part_of_its_circle(shape: str) -> None:
    path = np.full((NUM_FRAMES, 2), SIZE / 2)
    scene = shapes.Scene((0, 0, 0), (Figure(shape, "white", 12.0, path),), "", [], {})
    covered = (scene.render()[0].sum(-1) > 360).sum()
    assert 0.3 * np.pi * 144 < covered < 1.05 * np.pi * 144


def test_colors_can_be_told_apart() -> None:
    values = np.array(list(COLORS.values()), float)
    apart = np.linalg.norm(values[:, None] - values[None], axis=-1) + 1000 * np.eye(len(values))
    assert apart.min() > 80
