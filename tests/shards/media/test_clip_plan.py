"""Plans of clips: what is drawn for them, in which order, and that they can be executed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shards.media.clip import plan_clip
from shards.media.clip_config import ClipConfig, FrameConfig
from shards.media.facts import MediaFacts
from tests.shards.media.plans import (
    clips_of,
    configs,
    facts_,
    plan,
    video,
)


@given(facts_, configs(), st.booleans(), st.integers(0, 2**32))
def test_every_plan_can_be_executed(facts: MediaFacts, config: ClipConfig, snap: bool, seed: int) -> None:
    if snap and facts.key_frames is not None:
        config = config.model_copy(update={"snap": True})
    made = plan_clip(facts, config, np.random.default_rng(seed))
    assert made == plan_clip(facts, config, np.random.default_rng(seed))
    assert made.shape == (config.num_clips * config.num_frames, config.size, config.size, 3)
    assert len(made.frames) == made.shape[0]
    assert all(0 <= frame < facts.num_frames for frame in made.frames)
    assert all(clip == sorted(clip) for clip in clips_of(made, config))
    top, left, height, width = made.crop
    assert top >= 0 and top + height <= made.resize[0] and left >= 0 and left + width <= made.resize[1]
    assert all(type(number) is int for number in (*made.frames, *made.resize, *made.crop)) and type(made.flip) is bool
    assert bool(made.ops) <= (config.randaugment is not None)
    assert len(made.corners) in (0, len(made.frames))
    for top, left in made.corners:
        assert type(top) is type(left) is int
        assert 0 <= top <= made.resize[0] - config.size and 0 <= left <= made.resize[1] - config.size


def test_flip_follows_its_probability() -> None:
    assert not any(plan(video(), seed, flip=0).flip for seed in range(50))
    assert all(plan(video(), seed, flip=1).flip for seed in range(50))
    assert 30 < sum(plan(video(), seed, flip=0.5).flip for seed in range(100)) < 70


def test_pictures_may_be_treated_in_a_way_of_their_own() -> None:
    config = {"pictures": {"fit": "random_resized_crop", "flip": 1}, "fit": "center_crop", "resize": 128}
    image = MediaFacts("image", "jpeg", 320, 240, 1)
    alone = plan(image, 3, **config["pictures"])
    assert plan(image, 3, **config) == alone and alone.flip
    assert plan(video(), 3, **config) == plan(video(), 3, fit="center_crop", resize=128)
    evaluation = ClipConfig(num_frames=4, size=64, **config).for_evaluation()  # type: ignore[arg-type]
    assert evaluation.pictures == FrameConfig(fit="center_crop")


def test_later_draws_leave_earlier_ones_as_they_were() -> None:
    for seed in range(50):
        bare = plan(video(), seed, sampling="random", fit="random_crop", resize=90)
        flipped = plan(video(), seed, sampling="random", fit="random_crop", resize=90, flip=0.5)
        whole = plan(video(), seed, sampling="random", fit="random_crop", resize=90, flip=0.5, randaugment={})
        assert bare == replace(flipped, flip=False) and flipped == replace(whole, ops=())


def test_each_frame_may_be_cut_elsewhere() -> None:
    bare = plan(video(), 3, fit="random_crop", resize=90)
    each = plan(video(), 3, fit="random_crop", resize=90, crop_each=True)
    assert replace(each, corners=()) == bare and len(each.corners) == len(each.frames)
    assert len({plan(video(), seed, fit="random_crop", resize=90, crop_each=True).corners for seed in range(20)}) == 20
    corners = [
        c for seed in range(200) for c in plan(video(), seed, fit="random_crop", resize=90, crop_each=True).corners
    ]
    room = [whole - 64 for whole in bare.resize]
    assert [max(axis) for axis in zip(*corners, strict=True)] == room
    assert [min(axis) for axis in zip(*corners, strict=True)] == [0, 0]
    evaluation = ClipConfig(num_frames=4, size=64, fit="random_crop", crop_each=True).for_evaluation()
    assert evaluation == ClipConfig(num_frames=4, size=64, fit="center_crop")


def test_randaugment_is_drawn_with_the_plan() -> None:
    drawn = [plan(video(), seed, randaugment={"num_ops": 2}).ops for seed in range(100)]
    assert all(len(ops) <= 2 for ops in drawn) and len(set(drawn)) > 50
    assert not any(plan(video(), seed).ops for seed in range(20))
