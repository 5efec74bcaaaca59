"""The CPU decoder gives exactly the planned frames, upright, or a MediaError with both numbers."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shards.base.errors import MediaError
from shards.decode.cpu import DECODERS, decode
from shards.media.clip import plan_clip
from shards.media.clip_config import ClipConfig
from shards.media.kinds import KINDS
from shards.media.probe import probe
from tests.shards.decode.plans import REPOSITORY, whole

MEDIA = sorted(path for kind in ("videos", "images") for path in (REPOSITORY / "samples" / kind).glob("*.*"))


def test_threads_decode_side_by_side_and_alike(make_clip: Callable[..., bytes]) -> None:
    media = make_clip(40)
    expected = decode(media, "video", whole(3, 30))
    with ThreadPoolExecutor(8) as pool:
        clips = list(pool.map(lambda _: decode(media, "video", whole(3, 30)), range(40)))
    assert all(np.array_equal(clip, expected) for clip in clips)


@pytest.mark.parametrize("kind", ["video", "image"])
@pytest.mark.parametrize("data", [b"", b"x", b"\0" * 5000, b"<html>" * 100])
def test_bytes_that_are_no_medium_are_media_errors(kind: str, data: bytes) -> None:
    with pytest.raises(MediaError, match=r"not a (video|picture)"):
        decode(data, kind, whole(0))


@pytest.mark.parametrize(
    ("kind", "frames", "message"),
    [
        ("audio", (0,), "no decoder for media of kind 'audio'; known: video, image, frames, stored"),
        ("video", (), "asks for no frame"),
        ("video", (-1,), "asks for frame -1"),
        ("image", (1,), "a picture has frame 0 only"),
    ],
)
def test_plans_that_cannot_be_are_mistakes_of_the_caller(kind: str, frames: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message) as info:
        decode(b"x", kind, whole(*frames))
    assert not isinstance(info.value, MediaError)


@pytest.mark.skipif(not MEDIA, reason="samples is empty")
def test_plans_made_from_facts_are_met_on_real_files() -> None:
    config = ClipConfig(num_frames=4, size=56, fit="random_crop", resize=64, sampling="random", flip=0.5)
    for i, path in enumerate(MEDIA[:: max(1, len(MEDIA) // 12)]):
        data = path.read_bytes()
        facts = probe(data, path.name)
        clip = decode(data, facts.kind, plan_clip(facts, config, np.random.default_rng(i)))
        assert clip.shape == (4, 56, 56, 3) and clip.std() > 1, path.name


@pytest.mark.parametrize("name", ["videos/bbb_bird.mp4", "images/cv_aero1.jpg"])
def test_a_frame_that_is_cut_by_itself_is_that_of_a_clip_cut_there(name: str) -> None:
    path = REPOSITORY / "samples" / name
    data = path.read_bytes()
    facts = probe(data, path.name)
    config = ClipConfig(num_frames=3, size=48, fit="random_crop", resize=64, crop_each=True, flip=1.0)
    plan = plan_clip(facts, config, np.random.default_rng(1))
    clip = decode(data, facts.kind, plan)
    assert clip.shape == plan.shape and clip.flags.c_contiguous and len(set(plan.corners)) == 3
    for number, (top, left) in enumerate(plan.corners):
        alone = decode(data, facts.kind, replace(plan, crop=(top, left, 48, 48), corners=()))
        np.testing.assert_array_equal(clip[number], alone[number])


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("folder", ["videos", "images"])
def test_every_file_of_the_corpus_is_decoded(corpus: Path, folder: str) -> None:
    paths = sorted((corpus / folder).rglob("*.*"))
    assert len(paths) >= 167
    config = ClipConfig(num_frames=4, size=64, fit="center_crop")
    for path in paths:
        data = path.read_bytes()
        facts = probe(data, path.name)
        clip = decode(data, facts.kind, plan_clip(facts, config, np.random.default_rng(0)))
        assert clip.shape == (4, 64, 64, 3), path.name


def test_every_kind_of_medium_has_a_decoder() -> None:
    assert DECODERS.keys() == KINDS.keys()
