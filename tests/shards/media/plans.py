"""Facts, configs and plans of clips for tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from shards.media.clip import plan_clip
from shards.media.clip_config import ClipConfig
from shards.media.clip_plan import ClipPlan
from shards.media.facts import KeyFrames, MediaFacts

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
    if fit in ("random_crop", "squash_random_crop"):
        made["crop_each"] = draw(st.booleans())
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


def spread(have: int, want: int) -> tuple[int, ...]:
    return tuple(int((i + 0.5) * have / want) for i in range(want))
