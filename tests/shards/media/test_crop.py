"""Crops: inside of the frame, with the aspect and area that the config allows."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shards.media.clip import plan_clip
from shards.media.clip_config import ClipConfig
from shards.media.clip_plan import ClipPlan
from tests.shards.media.plans import (
    plan,
    video,
)


def test_squash_takes_the_whole_picture() -> None:
    assert plan(video()) == ClipPlan((12, 37, 62, 87), (64, 64), (0, 0, 64, 64), False)


def test_crops_keep_the_aspect() -> None:
    made = plan(video(width=1920, height=1080), fit="center_crop", resize=90)
    assert made.resize == (90, 160) and made.crop == (13, 48, 64, 64)
    assert plan(video(width=1080, height=1920), fit="center_crop", resize=90).resize == (160, 90)
    crops = {plan(video(), seed, fit="random_crop", resize=66).crop[:2] for seed in range(300)}
    assert {top for top, _ in crops} == {0, 1, 2} and {left for _, left in crops} == set(range(25))


def test_a_crop_of_the_squashed_picture_has_room_both_ways() -> None:
    config = {"fit": "squash_random_crop", "resize": 66}
    made = [plan(video(width=1920, height=1080), seed, **config) for seed in range(300)]
    assert {one.resize for one in made} == {(66, 66)}
    assert {one.crop for one in made} == {(top, left, 64, 64) for top in range(3) for left in range(3)}
    still = ClipConfig(num_frames=4, size=64, **config).for_evaluation()
    assert plan_clip(video(), still, np.random.default_rng(0)).crop == (1, 1, 64, 64)


def test_a_strip_is_squashed_before_it_becomes_huge() -> None:
    assert plan(video(width=2, height=3000), fit="center_crop").resize == (512, 64)
    assert plan(video(width=3000, height=2), fit="center_crop").resize == (64, 512)


def test_random_boxes_keep_their_area_and_aspect() -> None:
    areas, aspects, corners = [], [], set()
    for seed in range(400):
        made = plan(video(width=1600, height=900), seed, fit="random_resized_crop", size=224)
        tall, wide = 900 * 224 / made.resize[0], 1600 * 224 / made.resize[1]  # the box, in pixels of the video
        areas.append(tall * wide / (1600 * 900))
        aspects.append(wide / tall)
        corners.add((made.crop[0] * 900 // made.resize[0] // 300, made.crop[1] * 1600 // made.resize[1] // 400))
    assert 0.199 < min(areas) < 0.25 and 0.6 < max(areas) < 0.8  # a box of 4/3 is at most 3/4 of a frame of 16/9
    assert 0.74 < min(aspects) < 0.8 and 1.25 < max(aspects) < 1.345
    assert {row for row, _ in corners} == {0, 1} and {column for _, column in corners} == {0, 1, 2}


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 300), st.integers(0, 999))
def test_random_boxes_stay_within_bounds(width: int, height: int, size: int, seed: int) -> None:
    config = {"fit": "random_resized_crop", "crop_area": (0.5, 0.9), "crop_aspect": (0.8, 1.25), "size": size}
    made = plan(video(width=width, height=height), seed, **config)
    assert size <= min(made.resize) and max(made.resize) <= 8 * 2 * size  # memory: strips are squashed first
    if max(width, height) <= 1.5 * min(width, height) and size > 50:
        aspect = (width / made.resize[1]) / (height / made.resize[0])
        assert 0.78 <= aspect <= 1.28
