"""Clip plans: always decodable, a pure function of facts, config and generator."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from shards.base.errors import ConfigError, DatasetError, MediaError
from shards.media.clip import plan_clip
from shards.media.clip_config import ClipConfig, FrameConfig
from shards.media.clip_plan import ClipPlan
from shards.media.facts import TIME_MARK, KeyFrames, MediaFacts

SAMPLINGS = ("uniform", "random", "headtail", "segment", "fps", "fps_middle", "released_uniform")
BY_NUMBER = ("uniform", "random", "headtail", "segment")
FITS = ("squash", "center_crop", "random_crop", "squash_center_crop", "squash_random_crop", "random_resized_crop")
FPS = 25.0


def video(num_frames: int = 100, width: int = 320, height: int = 240, keys: list[int] | None = None) -> MediaFacts:
    """keys: key frames of the GOP table, None for an index without one."""
    start = 7.5
    facts = MediaFacts("video", "h264", width, height, num_frames, FPS, num_frames / FPS, start)
    if keys is None:
        return facts
    return with_table(facts, keys, [start + key / FPS for key in keys])


def with_table(facts: MediaFacts, numbers: list[int], times: list[float]) -> MediaFacts:
    table = KeyFrames(numbers, times, [1000 * number for number in numbers])
    return replace(facts, look_up_key_frames=lambda: table)


def plan(facts: MediaFacts, seed: int = 0, **config: Any) -> ClipPlan:
    if config.get("sampling") in ("fps", "fps_middle"):
        config = {"fps": 5} | config
    return plan_clip(facts, ClipConfig(**{"num_frames": 4, "size": 64, **config}), np.random.default_rng(seed))


facts_ = st.builds(
    video,
    st.integers(1, 5000),
    st.integers(1, 5000),
    st.integers(1, 5000),
    st.none() | st.lists(st.integers(0, 5000), unique=True, max_size=20).map(sorted),
)


@st.composite
def treatments(draw: st.DrawFn, size: int) -> dict[str, Any]:
    fit = draw(st.sampled_from(FITS))
    made: dict[str, Any] = {"fit": fit, "flip": draw(st.sampled_from([0, 0.5, 1]))}
    if fit.endswith(("center_crop", "random_crop")):
        made["resize"] = draw(st.none() | st.integers(size, 2 * size))
    if fit == "random_resized_crop":
        made["crop_area"] = draw(st.none() | st.tuples(st.floats(0.02, 0.3), st.floats(0.3, 1)))
        made["crop_aspect"] = draw(st.none() | st.tuples(st.floats(0.1, 1), st.floats(1, 10)))
    made["randaugment"] = draw(st.none() | st.sampled_from([{}, {"space": "image", "level": 7}]))
    return made


@st.composite
def configs(draw: st.DrawFn) -> ClipConfig:
    size = draw(st.integers(1, 400))
    sampling = draw(st.sampled_from(SAMPLINGS))
    return ClipConfig(
        num_frames=draw(st.integers(1, 40)),
        size=size,
        sampling=sampling,
        fps=draw(st.floats(0.1, 100)) if sampling.startswith("fps") else None,
        num_clips=draw(st.sampled_from([1, 1, 1, 2, 3, 7])),
        pictures=draw(st.none() | treatments(size)),
        **draw(treatments(size)),
    )


def clips_of(made: ClipPlan, config: ClipConfig) -> list[list[int]]:
    return np.array(made.frames).reshape(config.num_clips, config.num_frames).tolist()


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


@given(facts_, configs(), st.integers(0, 2**32), st.integers(0, 2**32))
def test_evaluation_draws_nothing(facts: MediaFacts, config: ClipConfig, one: int, other: int) -> None:
    config = config.for_evaluation()
    assert ClipConfig.model_validate(config.model_dump()) == config  # still allowed
    for kind in ("video", "image"):
        shown = replace(facts, kind=kind, num_frames=1 if kind == "image" else facts.num_frames)
        made = plan_clip(shown, config, np.random.default_rng(one))
        assert made == plan_clip(shown, config, np.random.default_rng(other))
        assert not made.flip and not made.ops


@given(st.integers(1, 300), st.integers(1, 40), st.integers(1, 5), st.sampled_from(BY_NUMBER), st.integers(0, 99))
def test_frames_are_distinct_where_there_are_enough(have: int, want: int, clips: int, sampling: str, seed: int) -> None:
    frames = plan(video(have), seed, num_frames=want, num_clips=clips, sampling=sampling).frames
    if have // clips >= want:
        assert len(set(frames)) == want * clips
        assert list(frames) == sorted(frames)


@given(st.integers(1, 200), st.integers(1, 40), st.sampled_from(BY_NUMBER))
def test_a_short_video_repeats_frames_evenly(have: int, want: int, sampling: str) -> None:
    frames = plan(video(have), num_frames=want, sampling=sampling).frames
    if have < want or sampling == "uniform":
        assert frames == spread(have, want)
        times = [frames.count(number) for number in range(have)]
        assert max(times) - min(times) <= 1


def spread(have: int, want: int) -> tuple[int, ...]:
    return tuple(int((i + 0.5) * have / want) for i in range(want))


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


@given(st.integers(1, 400), st.integers(1, 40), st.integers(0, 99))
def test_headtail_and_segment_take_their_share_of_every_part(have: int, want: int, seed: int) -> None:
    if have < want:
        return
    halves = plan(video(have), seed, num_frames=want, sampling="headtail").frames
    assert sum(frame < -(-have // 2) for frame in halves) == -(-want // 2)
    parts = plan(video(have), seed, num_frames=want, sampling="segment").frames
    assert all(i * have // want <= frame < (i + 1) * have // want for i, frame in enumerate(parts))


def test_segments_reach_every_frame() -> None:
    seen = [
        set(frames) for frames in zip(*(plan(video(10), s, sampling="segment").frames for s in range(60)), strict=True)
    ]
    assert seen == [{0, 1}, {2, 3, 4}, {5, 6}, {7, 8, 9}]


def test_a_picture_repeats_its_one_frame() -> None:
    for sampling in SAMPLINGS:
        assert plan(MediaFacts("image", "jpeg", 10, 10, 1), sampling=sampling).frames == (0, 0, 0, 0)
        assert plan(video(1), sampling=sampling, num_clips=2).frames == (0,) * 8


@pytest.mark.parametrize("want", [2, 4, 8, 16])
def test_the_released_uniform_sampling_is_reproduced(want: int) -> None:
    for have in range(1, 200):
        released = np.arange(0, have, have / want, dtype=int)
        assert plan(video(have), num_frames=want, sampling="released_uniform").frames == tuple(released.tolist())
    assert plan(video(47), num_frames=16, sampling="released_uniform").frames == tuple(range(0, 32, 2))
    assert plan(video(10), num_frames=16, sampling="released_uniform").frames == (0,) * 16


def test_several_clips_share_the_video() -> None:
    assert plan(video(100), num_clips=2).frames == (6, 18, 31, 43, 56, 68, 81, 93)
    assert plan(video(3), num_clips=2, num_frames=2).frames == (0, 0, 1, 2)
    assert plan(video(2), num_clips=3, num_frames=2).frames == (0, 0, 0, 0, 1, 1)
    for sampling in ("random", "headtail", "segment"):
        frames = plan(video(100), 5, num_clips=4, sampling=sampling).frames
        assert all(25 * clip <= frame < 25 * (clip + 1) for clip in range(4) for frame in frames[4 * clip :][:4])


# ---------------------------------------------------------------- by time


@given(st.integers(2, 2000), st.integers(1, 40), st.floats(0.1, 60), st.integers(1, 4), st.integers(0, 999))
def test_frames_by_time_are_so_far_apart(have: int, want: int, fps: float, clips: int, seed: int) -> None:
    config = ClipConfig(num_frames=want, size=8, sampling="fps", fps=fps, num_clips=clips)
    made = plan_clip(video(have), config, np.random.default_rng(seed))
    if want / fps >= have / FPS:
        assert made.frames == spread(have, want) * clips
        return
    firsts = []
    for frames in clips_of(made, config):
        firsts.append(frames[0])
        # each frame is within one of where it is meant to be
        assert all(abs(frame - frames[0] - i * FPS / fps) < 1.1 for i, frame in enumerate(frames))
    assert firsts == sorted(firsts)


def test_a_window_by_time_is_anywhere_in_training_and_in_the_middle_in_evaluation() -> None:
    # 100 frames at 25 a second; 4 at 5 a second are 20 frames: shown at 2.5, 7.5, 12.5 and 17.5 frames from the start
    firsts = {plan(video(100), seed, sampling="fps").frames[0] for seed in range(800)}
    assert firsts == set(range(2, 83))
    assert plan(video(100), sampling="fps_middle").frames == (42, 47, 52, 57)
    assert plan(video(100), sampling="fps_middle", num_clips=2).frames == (22, 27, 32, 37, 62, 67, 72, 77)
    assert ClipConfig(num_frames=4, size=8, sampling="fps", fps=2).for_evaluation().sampling == "fps_middle"


def test_at_the_rate_of_the_video_every_frame_is_taken_and_above_it_frames_repeat() -> None:
    assert plan(video(100), fps=25, sampling="fps_middle").frames == (48, 49, 50, 51)
    assert plan(video(100), fps=50, sampling="fps_middle").frames == (49, 49, 50, 50)
    for seed in range(20):
        assert {b - a for a, b in pairwise(plan(video(100), seed, fps=12.5, sampling="fps", num_frames=9).frames)} == {
            2
        }


@given(st.lists(st.floats(0.01, 2), min_size=2, max_size=60), st.integers(1, 8), st.floats(0.3, 20), st.integers(0, 99))
def test_frames_of_unequal_length_are_found_by_their_times(
    lengths: list[float], want: int, fps: float, seed: int
) -> None:
    """A table that lists every frame says all there is to know."""
    ends = np.cumsum(lengths)
    have, starts = len(lengths), np.concatenate([[0], ends[:-1]])
    facts = MediaFacts("video", "h264", 64, 48, have, have / ends[-1], float(ends[-1]), 100.0)
    facts = with_table(facts, list(range(have)), (100 + starts).tolist())
    made = plan(facts, seed, num_frames=want, fps=fps, sampling="fps")
    if want / fps >= ends[-1]:
        assert made.frames == spread(have, want)
        return
    start = np.random.default_rng(seed).random(1)[0] * (ends[-1] - want / fps)
    for i, frame in enumerate(made.frames):
        time = start + (i + 0.5) / fps
        assert starts[frame] - 0.011 * lengths[frame - 1] <= time <= ends[frame] + 1e-6


@pytest.mark.parametrize(
    "table",
    [
        KeyFrames([], [], []),
        KeyFrames([0, 50, 20], [7.5, 8, 9], [0, 1, 2]),
        KeyFrames([0, 50], [7.5, 7.5], [0, 1]),
        KeyFrames([0, 500], [7.5, 9], [0, 1]),
        KeyFrames([0, 50], [7.5, float("nan")], [0, 1]),
        KeyFrames([0, 50], [7.5, float("inf")], [0, 1]),
        KeyFrames([-3, 50], [7.5, 9], [0, 1]),
        KeyFrames([0, 50], [-1e9, 1e9], [0, 1]),
    ],
)
def test_a_table_that_makes_no_sense_is_of_no_account(table: KeyFrames) -> None:
    facts = replace(video(100), look_up_key_frames=lambda: table)
    assert plan(facts, sampling="fps_middle").frames == (42, 47, 52, 57)
    if table.times[:1] != [-1e9]:
        assert plan(facts, snap=True).frames == (12, 37, 62, 87)


def test_without_a_duration_nothing_goes_by_time() -> None:
    facts = MediaFacts("video", "gif", 64, 48, 30)
    with pytest.raises(MediaError, match=r"the index says 30 frames in 0 s; sampling fps needs a duration"):
        plan(facts, sampling="fps")
    assert plan(replace(facts, fps=10.0), sampling="fps_middle").frames == (12, 14, 16, 18)  # 3 s of frames
    with pytest.raises(MediaError, match="needs a duration"):
        plan(replace(facts, duration=float("inf")), sampling="fps")


# ---------------------------------------------------------------- key frames


def test_time_marks_tell_times_and_are_no_key_frames() -> None:
    numbers, times, offsets = [0, 40, 50, 60, 80], [7.5, 7.6, 10.5, 10.7, 11.0], [0, TIME_MARK, 9, TIME_MARK, 99]
    facts = replace(video(100), look_up_key_frames=lambda: KeyFrames(numbers, times, offsets))
    assert plan(facts, snap=True).frames == (0, 50, 50, 80)
    assert plan(facts, sampling="fps_middle", fps=2, num_frames=2).frames == (45, 47)  # after 1.75 s and 2.25 s


@given(
    st.integers(2, 3000),
    st.lists(st.integers(0, 2999), unique=True, min_size=2, max_size=30).map(sorted),
    st.sampled_from(SAMPLINGS),
    st.integers(1, 3),
    st.integers(0, 99),
)
def test_snapping_goes_to_the_nearest_key_frame(
    have: int, keys: list[int], sampling: str, clips: int, seed: int
) -> None:
    keys = [key for key in keys if key < have]
    facts = video(have, keys=keys)
    exact = plan(facts, seed, sampling=sampling, num_clips=clips)
    snapped = plan(facts, seed, sampling=sampling, num_clips=clips, snap=True)
    assert (snapped.resize, snapped.crop, snapped.flip) == (exact.resize, exact.crop, exact.flip)
    if len(keys) < 2:
        assert snapped == exact
        return
    for before, after in zip(exact.frames, snapped.frames, strict=True):
        assert after in keys and abs(after - before) == min(abs(key - before) for key in keys)
        behind = next((key for key in keys if key > before), None)
        at = max((key for key in keys if key <= before), default=None)
        if at is not None and behind is not None:  # the promised bound, in frames of 1 / 25 s
            assert abs(after - before) <= (behind - at) / 2
        elif at is not None:
            assert after == at


def test_of_two_equally_near_key_frames_the_earlier_is_taken() -> None:
    assert plan(video(100, keys=[0, 24, 50, 74]), snap=True).frames == (0, 24, 50, 74)


def test_a_video_with_one_key_frame_stays_exact() -> None:
    assert plan(video(100, keys=[0]), snap=True).frames == (12, 37, 62, 87)


def test_snapping_without_tables_stops_the_run_but_not_for_pictures() -> None:
    with pytest.raises(DatasetError, match=r"the index has no GOP tables; index the dataset again with --media"):
        plan(video(), snap=True)
    assert plan(MediaFacts("image", "jpeg", 10, 10, 1), snap=True).frames == (0, 0, 0, 0)


def test_key_frames_are_looked_up_only_when_they_are_needed() -> None:
    def look_up() -> KeyFrames:
        raise AssertionError("looked up")

    facts = replace(video(), look_up_key_frames=look_up)
    for sampling in (*BY_NUMBER, "released_uniform"):
        plan(facts, sampling=sampling)
    for needed in ({"snap": True}, {"sampling": "fps"}):
        with pytest.raises(AssertionError, match="looked up"):
            plan(facts, **needed)
    assert facts == video() and hash(facts) == hash(video()) and "look_up" not in repr(facts)


# ---------------------------------------------------------------- pixels


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


def test_flip_follows_its_probability() -> None:
    assert not any(plan(video(), seed, flip=0).flip for seed in range(50))
    assert all(plan(video(), seed, flip=1).flip for seed in range(50))
    assert 30 < sum(plan(video(), seed, flip=0.5).flip for seed in range(100)) < 70


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


def test_randaugment_is_drawn_with_the_plan() -> None:
    drawn = [plan(video(), seed, randaugment={"num_ops": 2}).ops for seed in range(100)]
    assert all(len(ops) <= 2 for ops in drawn) and len(set(drawn)) > 50
    assert not any(plan(video(), seed).ops for seed in range(20))


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
        ({"sampling": "fps"}, "sampling fps needs fps, the frames per second of a clip"),
        ({"sampling": "fps_middle"}, "sampling fps_middle needs fps"),
        ({"fps": 2}, "fps is 2, but sampling uniform does not go by time; leave fps out or set sampling to fps"),
        ({"sampling": "segment", "fps": 2.5}, "fps is 2.5, but sampling segment does not go by time"),
        ({"sampling": "fps", "fps": 0}, "fps: .* greater than 0"),
        ({"num_clips": 0}, "num_clips"),
        ({"num_clips": 200, "num_frames": 32}, "num_clips 200 times num_frames 32 is more than 4096 frames"),
        ({"fit": "random_resized_crop", "resize": 70}, "fit random_resized_crop scales its box; leave resize out"),
        ({"crop_area": (0.5, 1)}, "crop_area is for fit random_resized_crop, but fit is squash; leave it out"),
        ({"fit": "random_crop", "crop_aspect": (0.5, 1)}, "crop_aspect is for fit random_resized_crop"),
        ({"fit": "random_resized_crop", "crop_area": (0, 1)}, r"crop_area must be .* between 0.02 and 1, found \(0.0"),
        ({"fit": "random_resized_crop", "crop_area": (0.9, 0.5)}, "crop_area must be"),
        ({"fit": "random_resized_crop", "crop_aspect": (1, float("nan"))}, "crop_aspect must be"),
        ({"pictures": {"fit": "random_crop", "resize": 63}}, "pictures.resize 63 is less than size 64"),
        ({"pictures": {"crop_area": (0.5, 1)}}, "ClipConfig: pictures: crop_area is for fit random_resized_crop"),
        ({"pictures": {"num_frames": 1}}, "pictures.num_frames: unknown field"),
        ({"randaugment": {"level": 12}}, "randaugment.level: "),
        ({"frames": 4}, "ClipConfig: frames: unknown field\\n  did you mean 'num_frames'"),
    ],
)
def test_configs_that_make_no_sense_are_refused(config: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ClipConfig(**{"num_frames": 4, "size": 64, **config})  # type: ignore[arg-type]


def test_the_examples_of_the_documentation_are_allowed() -> None:
    text = (Path(__file__).parents[3] / "docs" / "clips.md").read_text(encoding="utf-8")
    examples = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert len(examples) == 4
    for example in examples:
        config = ClipConfig.model_validate(OmegaConf.to_container(OmegaConf.create(example)))
        plan_clip(video(100, keys=[0, 50]), config, np.random.default_rng(0))
    for name in (*ClipConfig.model_fields, *SAMPLINGS, *FITS):
        assert f"`{name}`" in text


@pytest.mark.parametrize("kind", ["video", "image"])
def test_an_index_that_never_looked_at_media_stops_the_run(kind: str) -> None:
    with pytest.raises(DatasetError, match=r"holds no media facts.*index the dataset again with --media"):
        plan(MediaFacts(kind, "", 0, 0, 0))
