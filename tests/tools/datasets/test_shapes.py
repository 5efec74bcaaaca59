"""What tools/datasets/shapes.py promises: the same clip for the same address, and questions that need what they ask."""

from __future__ import annotations

import io
from collections import Counter
from typing import Any

import av
import numpy as np
import pytest

from tools.datasets import shapes
from tools.datasets.shapes import COLORS, DIRECTIONS, NUM_FRAMES, OPPOSITE, SIZE, Figure
from tools.rows import Row


def scenes(count: int, split: str = "train", seed: int = 0) -> list[shapes.Scene]:
    return [shapes.Scene.draw(seed, split, "questions", number) for number in range(count)]


def center_of(frame: Any, background: Any) -> Any:
    """Mean (y, x) of the pixels that differ from the background."""
    there = np.abs(frame.astype(int) - np.array(background)).sum(-1) > 60
    return np.argwhere(there).mean(0)


def test_an_address_gives_the_same_bytes_and_another_split_text_or_seed_gives_others() -> None:
    *_, row = shapes.rows("train", 6)
    assert isinstance(row, Row) and [*shapes.rows("train", 8, "questions", 0)][5] == row
    for other in [("train", 6, "questions", 1), ("test", 6, "questions", 0), ("train", 6, "captions", 0)]:
        *_, another = shapes.rows(*other)
        assert isinstance(another, Row) and another.media != row.media


def test_the_bytes_do_not_depend_on_what_the_memory_held_before() -> None:
    g = np.random.default_rng(0)
    made = scenes(18, "val")
    clips = [made[number].render() for number in (2, 5, 17)]  # with x264's mbtree these came out in many forms
    first = [shapes.encode(clip) for clip in clips]
    dirt: list[bytes] = []
    for number in range(120):
        dirt = [*dirt, bytes([number]) * int(g.integers(1, 200_000))]
        if len(dirt) > 50:
            dirt = [piece for piece in dirt if g.random() < 0.5]
        assert shapes.encode(clips[number % 3]) == first[number % 3]


def test_splits_share_no_clip() -> None:
    pictures = [scene.render().tobytes() for split in shapes.SPLITS for scene in scenes(60, split)]
    assert len(set(pictures)) == len(pictures)


def test_clip_i_does_not_depend_on_how_many_are_made() -> None:
    few, many = ([row for row in shapes.rows("val", n) if isinstance(row, Row)] for n in (3, 40))
    assert [row.media for row in few] == [row.media for row in many[:3]]
    assert [row.key for row in many] == [f"val-questions-{n:06d}" for n in range(40)]


def test_the_clip_is_h264_and_close_to_the_rendered_frames() -> None:
    frames = shapes.Scene.draw(0, "train", "questions", 0).render()
    with av.open(io.BytesIO(shapes.encode(frames))) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        decoded = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    assert decoded.shape == (NUM_FRAMES, SIZE, SIZE, 3)
    assert np.abs(decoded.astype(int) - frames).mean() < 6


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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("weekday", 3), r"--split 'weekday' is unknown; choose one of train, val, test"),
        (("train", 0), r"--num-clips must be at least 1, found 0"),
        (("train", 3, "poems"), r"--text 'poems' is unknown; choose one of captions, questions"),
    ],
)
def test_wrong_arguments_are_named(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        shapes.rows(*arguments)
