"""The table of kinds: every extension has one kind, and every kind can be planned."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from shards.base.errors import MediaError
from shards.media.clip import plan_clip
from shards.media.clip_config import ClipConfig
from shards.media.facts import MediaFacts
from shards.media.kinds import KINDS, MEDIA_EXTENSIONS, kind_of
from tests.shards.conftest import REPOSITORY


def test_every_extension_is_of_one_kind_that_can_be_probed() -> None:
    assert sorted(MEDIA_EXTENSIONS) == sorted(ext for kind in KINDS.values() for ext in kind.extensions)
    assert len(set(MEDIA_EXTENSIONS)) == len(MEDIA_EXTENSIONS)
    for ext in MEDIA_EXTENSIONS:
        assert ext in kind_of(ext).extensions and kind_of(f"left.{ext}") is kind_of(ext) and kind_of(ext).probe


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_planned(kind: str) -> None:
    assert KINDS[kind].name == kind
    plan = plan_clip(MediaFacts(kind, "x", 8, 6, 9), ClipConfig(num_frames=3, size=4), np.random.default_rng(0))
    assert plan.frames == (1, 4, 7) and plan.shape == (3, 4, 4, 3)


def test_a_kind_that_nobody_knows_is_named_with_those_that_are_known() -> None:
    facts = MediaFacts("sound", "x", 8, 6, 9)
    with pytest.raises(MediaError, match="the index says kind 'sound'; known: video, frames, image, stored"):
        plan_clip(facts, ClipConfig(num_frames=3, size=4), np.random.default_rng(0))


def test_a_loader_and_its_plans_load_no_probe() -> None:
    code = "import sys; from shards import Loader, plan_clip; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    probes = ("shards.media.frames", "shards.media.pictures", "shards.media.videos")
    assert "shards.media.kinds" in loaded and not {name for name in loaded if name.startswith(probes)}
