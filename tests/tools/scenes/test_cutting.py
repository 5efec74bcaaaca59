"""Clips: encoded ones have the frames of their scenes, copied ones the very pixels, and both their true times."""

from __future__ import annotations

import numpy as np
import pytest

from shards.base.errors import MediaError
from shards.media.facts import KeyFrames
from shards.media.probe import probe_key_frames
from shards.media.videos.video_facts import frame_times
from tests.tools.media.scenes import SMALL, decoded, pixels, video
from tests.tools.scenes.joined import joined
from tools.scenes.cutting import copy_scenes, encode_scenes
from tools.scenes.scenes import between


def test_encoded_clips_show_the_frames_of_their_scenes() -> None:
    data = joined(uneven=True)
    times = frame_times(data)
    scenes = between([0, 40, 81, 120], times, 10.68)
    profile = SMALL.model_copy(update={"short_side": 112, "quality": 1})
    clips = encode_scenes(data, scenes, times, profile)
    assert [clip.facts.num_frames for clip in clips] == [40, 41, 39, 80]
    assert [(clip.number, clip.start, clip.end) for clip in clips] == [
        (number, scene.start, scene.end) for number, scene in enumerate(scenes)
    ]
    for clip, scene in zip(clips, scenes, strict=True):
        assert clip.facts.duration == pytest.approx(scene.end - scene.start, abs=0.002)
        inside = frame_times(clip.media)
        assert inside == pytest.approx(
            [time - times[scene.first] for time in times[scene.first : scene.stop]], abs=0.002
        )
        size = (clip.facts.height, clip.facts.width)
        numbers = [0, scene.stop - scene.first - 1]
        expected = pixels(data, "video", [scene.first + number for number in numbers], size)
        assert np.abs(pixels(clip.media, "video", numbers, size) - expected).mean() < 6
        assert clip.key_frames == KeyFrames.of(probe_key_frames(clip.media, "x.mp4")[1])


def test_a_profile_that_thins_frames_does_so_in_every_clip() -> None:
    data = joined()
    times = frame_times(data)
    profile = SMALL.model_copy(update={"every": 10})
    clips = encode_scenes(data, between([0, 45], times, 8.0), times, profile)
    assert [clip.facts.num_frames for clip in clips] == [5, 16]


@pytest.mark.parametrize(("form", "ext", "made"), [("mp4", "mp4", "mp4"), ("mkv", "mkv", "mkv"), ("mp4", "mov", "mp4")])
def test_copied_clips_have_the_pixels_of_the_video(form: str, ext: str, made: str) -> None:
    data = joined(ext=form, rotation=90 if form == "mp4" else 0)
    times, keys = frame_times(data), KeyFrames.of(probe_key_frames(data, f"x.{form}")[1]).without_marks()
    assert keys.frames[3:8:4] == [36, 84]
    clips = copy_scenes(data, ext, between([0, 36, 84], times, 8.0), [keys.times[0], keys.times[3], keys.times[7]])
    assert [clip.facts.num_frames for clip in clips] == [36, 48, 116] and {clip.ext for clip in clips} == {made}
    assert [(round(clip.start, 3), round(clip.end, 3)) for clip in clips] == [(0, 1.44), (1.44, 3.36), (3.36, 8.0)]
    whole = [frame.to_ndarray(format="rgb24") for frame in decoded(data)]
    for clip, first in zip(clips, (0, 36, 84), strict=True):
        frames = [frame.to_ndarray(format="rgb24") for frame in decoded(clip.media)]
        np.testing.assert_array_equal(frames, whole[first : first + len(frames)])
        size = (clip.facts.height, clip.facts.width)
        np.testing.assert_array_equal(pixels(clip.media, "video", [1], size), pixels(data, "video", [first + 1], size))


def test_what_cannot_be_copied_is_told() -> None:
    data = video(20)
    with pytest.raises(MediaError, match=r"1 of 2 key frames were found again\); use --cut reencode"):
        copy_scenes(data, "mp4", between([0, 12], frame_times(data), 0.8), [0.0, 99.0])
    with pytest.raises(MediaError, match="use --cut reencode"):
        copy_scenes(video(20), "webm", between([0], frame_times(data), 0.8), [0.0])  # H.264 is not for WebM


def test_a_video_that_ends_before_its_frames_is_refused() -> None:
    data = video(40, ext="mkv")
    times = [number / 25 for number in range(60)]
    with pytest.raises(MediaError, match=r"the stream ends after 40 frames \(60 were counted\)"):
        encode_scenes(data, between([0], times, 2.4), times, SMALL)
