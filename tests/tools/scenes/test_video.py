"""One video from bytes to clips; settings that make no sense are refused."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from shards.base.errors import MediaError
from tests.tools.media.scenes import video
from tests.tools.scenes.joined import joined
from tools.media.profiles import PROFILES, VideoProfile
from tools.rows import OptionError
from tools.scenes.detect import Detection
from tools.scenes.video import Cutting, cut_video

SMALL = VideoProfile(short_side=32, gop=4)


def test_scenes_become_clips_of_exact_times() -> None:
    clips = cut_video(joined(), "mp4", Cutting(profile=SMALL))
    assert [clip.facts.num_frames for clip in clips] == [40] * 5
    assert [round(clip.start, 3) for clip in clips] == [0, 1.6, 3.2, 4.8, 6.4] and clips[-1].end == pytest.approx(8.0)
    long = cut_video(joined(), "mp4", Cutting(least=2.0, most=4.0, profile=SMALL))
    assert [clip.facts.num_frames for clip in long] == [80, 60, 60]


def test_copies_begin_at_key_frames_and_say_so() -> None:
    clips = cut_video(joined(gop=30), "mp4", Cutting(cut="copy"))
    assert [round(clip.start * 25) for clip in clips] == [0, 30, 90, 120, 150]
    assert sum(clip.facts.num_frames for clip in clips) == 200
    (whole,) = cut_video(joined(gop=250), "mp4", Cutting(cut="copy"))
    assert (whole.start, whole.end) == (0, pytest.approx(8.0)), "there is one key frame only"


def test_a_video_of_one_frame_is_one_clip() -> None:
    (clip,) = cut_video(video(1), "mp4", Cutting(profile=SMALL))
    assert (clip.facts.num_frames, clip.start) == (1, 0.0) and clip.end > 0


def test_what_has_no_scenes_is_told(samples: Path) -> None:
    with pytest.raises(MediaError, match="is a medium of kind image, and only videos have scenes"):
        cut_video((samples / "images/sk_coffee.jpg").read_bytes(), "jpg", Cutting())
    with pytest.raises(MediaError, match="not a video"):
        cut_video(b"x" * 100, "mp4", Cutting())


@pytest.mark.parametrize(
    ("cutting", "reason"),
    [
        (Cutting(cut="saw"), "--cut saw is unknown; choose one of reencode, copy"),
        (Cutting(least=5, most=8), "--max-seconds 8 must be at least twice --min-seconds 5"),
        (Cutting(profile_name="frames_8", profile=PROFILES["frames_8"]), "makes pictures; clips need one that makes"),
        (Cutting(Detection("magic")), "--detector magic is unknown"),
    ],
)
def test_settings_that_make_no_sense_are_refused(cutting: Cutting, reason: str) -> None:
    with pytest.raises(OptionError, match=reason):
        cutting.check()
    Cutting().check()


@pytest.mark.long  # decodes and copies real clips of many codecs
def test_real_clips_of_every_kind_are_cut_or_told(samples: Path) -> None:
    names = ("bbb_angry.ts", "bbb_rodents.avi", "city_night.mpg", "race_1906.ogv", "bbb_burrow.webm", "sintel_walk.mkv")
    for path in (samples / "videos" / name for name in names):
        for cut in ("reencode", "copy"):
            try:
                clips = cut_video(path.read_bytes(), path.suffix[1:], Cutting(most=2.0, cut=cut, profile=SMALL))
            except MediaError as error:
                assert cut == "copy" and "use --cut reencode" in str(error), f"{path.name}: {error}"
                continue
            assert all(clip.facts.num_frames > 0 for clip in clips), path.name
            assert all(before.end == pytest.approx(after.start) for before, after in pairwise(clips))
