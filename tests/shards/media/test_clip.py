"""Clip plans: always decodable, a pure function of facts, config and generator."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.base.errors import DatasetError, MediaError
from shards.media.clip import plan_clip
from shards.media.clip_config import ClipConfig
from shards.media.facts import MediaFacts
from tests.shards.media.plans import (
    configs,
    facts_,
    plan,
    video,
)


@given(facts_, configs(), st.integers(0, 2**32), st.integers(0, 2**32))
def test_evaluation_draws_nothing(facts: MediaFacts, config: ClipConfig, one: int, other: int) -> None:
    config = config.for_evaluation()
    assert ClipConfig.model_validate(config.model_dump()) == config  # still allowed
    for kind in ("video", "image"):
        shown = replace(facts, kind=kind, num_frames=1 if kind == "image" else facts.num_frames)
        made = plan_clip(shown, config, np.random.default_rng(one))
        assert made == plan_clip(shown, config, np.random.default_rng(other))
        assert not made.flip and not made.ops


@pytest.mark.parametrize("facts", [video(0), video(width=0), video(height=-1)])
def test_facts_without_frames_or_size_are_media_errors(facts: MediaFacts) -> None:
    with pytest.raises(MediaError, match="the index says"):
        plan(facts)


@pytest.mark.parametrize("kind", ["video", "image"])
def test_an_index_that_never_looked_at_media_stops_the_run(kind: str) -> None:
    with pytest.raises(DatasetError, match=r"holds no media facts.*index the dataset again with --media"):
        plan(MediaFacts(kind, "", 0, 0, 0))
