"""What rows of rendered clips promise: the same clip for the same address, whatever else is made."""

from __future__ import annotations

import io
from typing import Any

import av
import numpy as np
import pytest

from tools.datasets import shapes
from tools.datasets.shapes import NUM_FRAMES, SIZE
from tools.rows import Row


def test_an_address_gives_the_same_bytes_and_another_split_text_or_seed_gives_others() -> None:
    *_, row = shapes.rows("train", 6)
    assert isinstance(row, Row) and [*shapes.rows("train", 8, "questions", 0)][5] == row
    for other in [("train", 6, "questions", 1), ("test", 6, "questions", 0), ("train", 6, "captions", 0)]:
        *_, another = shapes.rows(*other)
        assert isinstance(another, Row) and another.media != row.media


def test_the_bytes_do_not_depend_on_what_the_memory_held_before() -> None:
    g = np.random.default_rng(0)
    # with x264's mbtree these came out in many forms
    clips = [shapes.Scene.draw(0, "val", "questions", number).render() for number in (2, 5, 17)]
    first = [shapes.encode(clip) for clip in clips]
    dirt: list[bytes] = []
    for number in range(120):
        dirt = [*dirt, bytes([number]) * int(g.integers(1, 200_000))]
        if len(dirt) > 50:
            dirt = [piece for piece in dirt if g.random() < 0.5]
        assert shapes.encode(clips[number % 3]) == first[number % 3]


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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("weekday", 3), r"--split 'weekday' is unknown; choose one of train, val, test"),
        (("train", 0), r"--num-clips must be at least 1, found 0"),
        (("train", 3, "poems"), r"--text 'poems' is unknown; choose one of captions, questions, choices, blanks"),
    ],
)
def test_wrong_arguments_are_named(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        shapes.rows(*arguments)
