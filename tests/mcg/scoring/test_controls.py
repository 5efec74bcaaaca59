"""Controls take away what they say and nothing else, the same way every time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from mcg.scoring.controls import CONTROLS, Control
from shards import Batch, Origin
from shards.decode import Frames

FRAMES = np.arange(4 * 6 * 2 * 2 * 3, dtype=np.uint8).reshape(4, 6, 2, 2, 3)
ORIGINS = [Origin("shapes", "000000.tar", f"{i}") for i in range(4)]


def make_batch(frames: Frames, origins: Sequence[Origin], valid: Sequence[bool] | None = None) -> Batch:
    there = np.ones(len(origins), bool) if valid is None else np.array(valid)
    return Batch(frames, {}, [{} for _ in origins], list(origins), there, None, [() for _ in origins])


def apply_control(frames: Frames, origins: Sequence[Origin], control: str, seed: int) -> Frames:
    return Control(control, seed).frames(make_batch(frames, origins))


def test_none_is_the_clip_itself() -> None:
    assert apply_control(FRAMES, ORIGINS, "none", 0) is FRAMES


def test_black_shows_nothing() -> None:
    black = apply_control(FRAMES, ORIGINS, "black", 0)
    assert black.shape == FRAMES.shape and black.dtype == np.uint8 and not black.any()


def test_reversed_runs_backwards() -> None:
    back = apply_control(FRAMES, ORIGINS, "reversed", 0)
    assert all((back[:, t] == FRAMES[:, 5 - t]).all() for t in range(6))


def test_shuffled_keeps_the_frames_and_loses_their_order() -> None:
    for seed in range(50):
        shuffled = apply_control(FRAMES, ORIGINS, "shuffled", seed)
        for clip, original in zip(shuffled, FRAMES, strict=True):
            numbers = [int(frame[0, 0, 0]) for frame in clip]
            true = [int(frame[0, 0, 0]) for frame in original]
            assert sorted(numbers) == sorted(true) and numbers != true


def test_a_shuffle_depends_on_seed_and_origin_alone() -> None:
    whole = apply_control(FRAMES, ORIGINS, "shuffled", 3)
    parts = [apply_control(FRAMES[i : i + 1], ORIGINS[i : i + 1], "shuffled", 3) for i in (3, 2, 1, 0)]
    assert (np.concatenate(parts[::-1]) == whole).all()
    assert (apply_control(FRAMES, ORIGINS, "shuffled", 4) != whole).any()


def test_one_frame_bears_every_control() -> None:
    for control in CONTROLS:
        assert apply_control(FRAMES[:, :1], ORIGINS, control, 0).shape == (4, 1, 2, 2, 3)


@pytest.mark.parametrize("control", CONTROLS)
def test_a_tensor_is_treated_as_an_array(control: str) -> None:
    shown = apply_control(torch.from_numpy(FRAMES), ORIGINS, control, 3)
    expected = apply_control(FRAMES, ORIGINS, control, 3)
    assert isinstance(shown, torch.Tensor) and isinstance(expected, np.ndarray)
    assert shown.dtype == torch.uint8 and np.array_equal(shown.numpy(), expected)


def test_an_unknown_control_lists_the_known() -> None:
    with pytest.raises(ValueError, match="control 'blak' is unknown; choose one of none, black, shuffled, reversed"):
        apply_control(FRAMES, ORIGINS, "blak", 0)


def test_swapped_shows_each_clip_as_another_one_in_every_batch() -> None:
    control = Control("swapped", 0)
    first = control.frames(make_batch(FRAMES[:2], ORIGINS[:2]))
    assert np.array_equal(first, FRAMES[[1, 0]])
    # the last batch has one clip, and a slot that fills up with a copy of it
    last = control.frames(make_batch(FRAMES[[2, 2]], [ORIGINS[2], ORIGINS[2]], [True, False]))
    assert np.array_equal(last[0], FRAMES[1])


def test_swapped_never_shows_another_question_about_the_same_clip() -> None:
    origins = [ORIGINS[0], ORIGINS[0], ORIGINS[1]]
    shown = apply_control(FRAMES[[0, 0, 1]], origins, "swapped", 0)
    assert np.array_equal(shown, FRAMES[[1, 1, 0]])


def test_swapped_needs_a_second_clip() -> None:
    with pytest.raises(ValueError, match=r"there is none beside shapes/000000\.tar:0 in its batch; raise batch_size"):
        apply_control(FRAMES[:1], ORIGINS[:1], "swapped", 0)
