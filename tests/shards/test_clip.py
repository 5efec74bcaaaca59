"""Clip plans: always decodable, a pure function of facts, config and generator."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.clip import ClipConfig, ClipPlan, plan_clip
from shards.frozen import ConfigError
from shards.index import DatasetError
from shards.media import MediaError
from shards.sample import MediaFacts


def video(num_frames: int = 100, width: int = 320, height: int = 240) -> MediaFacts:
    return MediaFacts("video", "h264", width, height, num_frames, 25.0, num_frames / 25)


def plan(facts: MediaFacts, seed: int = 0, **config: object) -> ClipPlan:
    return plan_clip(facts, ClipConfig(**{"num_frames": 4, "size": 64, **config}), np.random.default_rng(seed))  # type: ignore[arg-type]


facts_ = st.builds(video, st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 5000))


@st.composite
def configs(draw: st.DrawFn) -> ClipConfig:
    size = draw(st.integers(1, 400))
    fit = draw(st.sampled_from(["squash", "center_crop", "random_crop"]))
    resize = None if fit == "squash" else draw(st.none() | st.integers(size, 2 * size))
    return ClipConfig(
        num_frames=draw(st.integers(1, 40)),
        size=size,
        sampling=draw(st.sampled_from(["uniform", "random", "headtail"])),
        fit=fit,
        resize=resize,
        flip=draw(st.sampled_from([0, 0.5, 1])),
    )


@given(facts_, configs(), st.integers(0, 2**32))
def test_every_plan_can_be_executed(facts: MediaFacts, config: ClipConfig, seed: int) -> None:
    made = plan_clip(facts, config, np.random.default_rng(seed))
    assert made == plan_clip(facts, config, np.random.default_rng(seed))
    assert made.shape == (config.num_frames, config.size, config.size, 3)
    assert all(0 <= frame < facts.num_frames for frame in made.frames)
    assert list(made.frames) == sorted(made.frames)
    if facts.num_frames >= config.num_frames:
        assert len(set(made.frames)) == config.num_frames
    top, left, height, width = made.crop
    assert top >= 0 and top + height <= made.resize[0] and left >= 0 and left + width <= made.resize[1]
    assert all(type(number) is int for number in (*made.frames, *made.resize, *made.crop)) and type(made.flip) is bool


@given(st.integers(1, 200), st.integers(1, 40), st.sampled_from(["uniform", "random", "headtail"]))
def test_a_short_video_repeats_frames_evenly(have: int, want: int, sampling: str) -> None:
    frames = plan(video(have), num_frames=want, sampling=sampling).frames
    if have < want or sampling == "uniform":
        assert frames == tuple(int((i + 0.5) * have / want) for i in range(want))
        times = [frames.count(number) for number in range(have)]
        assert max(times) - min(times) <= 1


def test_uniform_takes_the_middles_of_equal_parts() -> None:
    assert plan(video(100)).frames == (12, 37, 62, 87)
    assert plan(video(4)).frames == (0, 1, 2, 3)
    assert plan(video(2)).frames == (0, 0, 1, 1)
    assert plan(video(3), num_frames=8).frames == (0, 0, 0, 1, 1, 2, 2, 2)


def test_random_reaches_every_frame() -> None:
    seen = {frame for seed in range(60) for frame in plan(video(10), seed, sampling="random").frames}
    assert seen == set(range(10))


@pytest.mark.parametrize(("have", "want", "middle"), [(100, 4, 50), (101, 5, 51), (7, 7, 4), (5, 4, 3)])
def test_headtail_takes_half_of_each_half(have: int, want: int, middle: int) -> None:
    for seed in range(30):
        frames = plan(video(have), seed, sampling="headtail", num_frames=want).frames
        assert sum(frame < middle for frame in frames) == -(-want // 2)


def test_a_picture_repeats_its_one_frame() -> None:
    for sampling in ("uniform", "random", "headtail"):
        assert plan(MediaFacts("image", "jpeg", 10, 10, 1), sampling=sampling).frames == (0, 0, 0, 0)


def test_squash_takes_the_whole_picture() -> None:
    assert plan(video()) == ClipPlan((12, 37, 62, 87), (64, 64), (0, 0, 64, 64), False)


def test_crops_keep_the_aspect() -> None:
    made = plan(video(width=1920, height=1080), fit="center_crop", resize=90)
    assert made.resize == (90, 160) and made.crop == (13, 48, 64, 64)
    assert plan(video(width=1080, height=1920), fit="center_crop", resize=90).resize == (160, 90)
    crops = {plan(video(), seed, fit="random_crop", resize=66).crop[:2] for seed in range(300)}
    assert {top for top, _ in crops} == {0, 1, 2} and {left for _, left in crops} == set(range(25))


def test_a_strip_is_squashed_before_it_becomes_huge() -> None:
    assert plan(video(width=2, height=3000), fit="center_crop").resize == (512, 64)
    assert plan(video(width=3000, height=2), fit="center_crop").resize == (64, 512)


def test_flip_follows_its_probability() -> None:
    assert not any(plan(video(), seed, flip=0).flip for seed in range(50))
    assert all(plan(video(), seed, flip=1).flip for seed in range(50))
    assert 30 < sum(plan(video(), seed, flip=0.5).flip for seed in range(100)) < 70


@pytest.mark.parametrize("facts", [video(0), video(width=0), video(height=-1)])
def test_facts_without_frames_or_size_are_media_errors(facts: MediaFacts) -> None:
    with pytest.raises(MediaError, match="the index says"):
        plan(facts)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"resize": 70}, "fit squash does not crop"),
        ({"fit": "center_crop", "resize": 63}, "resize 63 is less than size 64"),
        ({"num_frames": 0}, "num_frames"),
        ({"size": 0}, "size"),
        ({"flip": 1.5}, "flip"),
        ({"sampling": "middle"}, "'segment', 'fps', 'fps_middle' or 'released_uniform'"),
        ({"frames": 4}, "ClipConfig: frames: unknown field\\n  did you mean 'num_frames'"),
    ],
)
def test_configs_that_make_no_sense_are_refused(config: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ClipConfig(**{"num_frames": 4, "size": 64, **config})  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["video", "image"])
def test_an_index_that_never_looked_at_media_stops_the_run(kind: str) -> None:
    with pytest.raises(DatasetError, match=r"holds no media facts.*index the dataset again with --media"):
        plan(MediaFacts(kind, "", 0, 0, 0))
