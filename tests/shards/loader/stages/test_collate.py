"""Collate stacks what fits, pads text, masks what is missing, and names both origins where something does not fit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from shards.loader.quarantine import Failure
from shards.loader.stages.batch import PADDING, Slot
from shards.loader.stages.collate import collate
from shards.read.sample import Origin


def slot(number: int, length: int = 3, shape: tuple[int, ...] = (1, 2, 2, 3), **arrays: Any) -> Slot:
    frames = np.full(shape, number, dtype=np.uint8)
    ids = {"ids": np.arange(1, length + 1)}
    return Slot(Origin("cc", "0.tar", str(number)), frames, ids | arrays, {"number": number})


def test_frames_are_stacked_and_text_is_padded_to_a_multiple() -> None:
    batch = collate([slot(1, 3), slot(2, 5)], pad_to_multiple=4, dataset="cc")
    assert batch.frames.shape == (2, 1, 2, 2, 3) and batch.frames[1].max() == 2
    assert batch.arrays["ids"].tolist() == [[1, 2, 3, 0, 0, 0, 0, 0], [1, 2, 3, 4, 5, 0, 0, 0]]
    assert batch.valid.tolist() == [True, True] and batch.dataset == "cc" and len(batch) == 2
    assert [m["number"] for m in batch.meta] == [1, 2] and [o.key for o in batch.origins] == ["1", "2"]


def test_tensors_are_stacked_to_a_tensor_and_do_not_mix_with_arrays() -> None:
    slots = [replace(slot(number), frames=torch.full((1, 2, 2, 3), number, dtype=torch.uint8)) for number in (1, 2)]
    frames = collate(slots, pad_to_multiple=4).frames
    assert isinstance(frames, torch.Tensor) and frames.shape == (2, 1, 2, 2, 3) and frames[1].max() == 2
    with pytest.raises(ValueError, match=r"float32\): cc/0.tar:3 has .* uint8, cc/0.tar:1 has .* uint8 tensor on cpu"):
        collate([slots[0], slot(3)], pad_to_multiple=4)


def test_empty_text_still_has_one_column() -> None:
    assert collate([slot(1, 0)], pad_to_multiple=1).arrays["ids"].tolist() == [[0]]


def test_arrays_of_any_rank_are_padded_along_every_axis_the_last_to_a_multiple() -> None:
    choices = [np.ones((2, 3), np.int64), np.full((3, 1), 2, np.int64)]
    batch = collate([slot(n, choices=c, label=np.array(n)) for n, c in enumerate(choices)], pad_to_multiple=4)
    assert batch.arrays["label"].tolist() == [0, 1]
    assert batch.arrays["choices"].tolist() == [
        [[1, 1, 1, 0], [1, 1, 1, 0], [0, 0, 0, 0]],
        [[2, 0, 0, 0], [2, 0, 0, 0], [2, 0, 0, 0]],
    ]


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_features_are_stacked_in_place_of_frames(dtype: str) -> None:
    rows = [replace(slot(n), frames=np.full((5, 8), n, dtype)) for n in (1, 2)]
    batch = collate(rows, pad_to_multiple=4)
    assert batch.frames.shape == (2, 5, 8) and str(batch.frames.dtype) == dtype and batch.frames[1].max() == 2
    with pytest.raises(ValueError, match="dtype uint8"):
        collate([replace(slot(1), frames=np.ones((5, 8), np.uint8))], pad_to_multiple=4)


def test_dtypes_are_kept() -> None:
    batch = collate([slot(1, w=np.ones(2, dtype=np.float32))], pad_to_multiple=8)
    assert batch.arrays["w"].dtype == np.float32 and batch.arrays["ids"].dtype == np.int64


def test_failed_slots_and_padding_are_masked_copies_of_a_good_one() -> None:
    failure = Failure(Origin("cc", "0.tar", "9"), "undecodable")
    failed = Slot(failure.origin, None, meta={"question": "why?"}, failures=(failure,))
    batch = collate([failed, slot(2), Slot(PADDING, None)], pad_to_multiple=1)
    assert batch.valid.tolist() == [False, True, False]
    assert (batch.frames == 2).all() and batch.arrays["ids"].tolist() == [[1, 2, 3]] * 3
    assert batch.failures == [failure]
    assert batch.meta == [{"question": "why?"}, {"number": 2}, {}]
    assert batch.origins == [failure.origin, Origin("cc", "0.tar", "2"), PADDING]


def test_frames_that_lie_in_the_batch_already_stay_and_the_gaps_are_filled() -> None:
    placed = np.zeros((3, 1, 2, 2, 3), np.uint8)
    placed[1] = 7
    there = replace(slot(7), frames=placed[1])
    batch = collate([Slot(PADDING, None), there, Slot(PADDING, None)], 8, placed=placed)
    assert batch.frames is placed and (placed == 7).all() and batch.valid.tolist() == [False, True, False]
    with pytest.raises(ValueError, match="one shape"):
        collate([slot(1, shape=(2, 2, 2, 3)), there, there], 8, placed=placed)


def test_a_batch_of_padding_only_takes_the_filler() -> None:
    batch = collate([Slot(PADDING, None)] * 2, pad_to_multiple=1, filler=slot(7))
    assert not batch.valid.any() and (batch.frames == 7).all()
    with pytest.raises(ValueError, match="no slot of this batch could be used and there is no filler"):
        collate([Slot(PADDING, None)], pad_to_multiple=1)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (slot(2, shape=(2, 2, 2, 3)), r"cc/0.tar:2 has \(2, 2, 2, 3\) uint8, cc/0.tar:1 has \(1, 2, 2, 3\) uint8"),
        (slot(2, more=np.ones(1)), "must have the same arrays: cc/0.tar:2 has .*more.*, cc/0.tar:1 has"),
        (slot(2, ids=np.ones(2, dtype=np.float64)), "must have the same arrays: cc/0.tar:2"),
        (
            slot(2, ids=np.ones((2, 2), dtype=np.int64)),
            r"same arrays: cc/0.tar:2 has .*i8 2-D.*cc/0.tar:1 has .*i8 1-D",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_both_origins(other: Slot, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        collate([slot(1), other], pad_to_multiple=8)
