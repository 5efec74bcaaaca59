"""Transcoding one medium: what comes out is what the profile says, upright, in time and colour, the same each time."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from shards.base.errors import MediaError
from shards.decode.cpu import decode
from shards.media.clip import ClipPlan, plan_clip
from shards.media.clip_config import ClipConfig
from shards.media.frames import FramePictures
from shards.media.probe import probe
from shards.media.videos.video import decode_packet, demux, open_video
from shards.media.videos.video_facts import frame_times
from tests.shards.bars import numbers_of
from tests.shards.films import SEEKABLE, Film, shoot
from tools.media.transcode import (
    CODECS,
    PROFILES,
    FramesProfile,
    VideoProfile,
    describe,
    find_profile,
    fit,
    transcode,
)
from tools.rows import OptionError

SMALL = VideoProfile(short_side=32, gop=4)
SIDES = st.integers(1, 5000)

FIELD = Path(__file__).resolve().parents[1] / "field"


def scene(number: int, height: int, width: int) -> np.ndarray:
    """Smooth colours; the left third red, the top third bright, a bar that moves."""
    y, x = np.mgrid[:height, :width]
    frame = np.stack([120 - 60 * x / width, 60 + 90 * y / height, np.full(y.shape, 90.0)], 2)
    frame[:, : width // 3, 0] += 110
    frame[: height // 3] += 40
    bar = (7 * number) % (width - 8)
    frame[height // 2 : height // 2 + 8, bar : bar + 8] = (250, 250, 40)
    return frame.clip(0, 255).astype(np.uint8)


def video(
    num_frames: int = 20,
    size: tuple[int, int] = (96, 128),
    codec: str = "libx264",
    ext: str = "mp4",
    rotation: int = 0,
    times: list[int] | None = None,
    **context: Any,
) -> bytes:
    """A video of scenes, 25 fps or at `times` (milliseconds); context: attributes of the encoder (pix_fmt, ...)."""
    out = io.BytesIO()
    with av.open(out, "w", format={"mkv": "matroska"}.get(ext, ext)) as container:
        stream = container.add_stream(codec, rate=25, options={"g": "12", "crf": "8"} if codec == "libx264" else {})
        stream.height, stream.width = size
        stream.pix_fmt = context.pop("pix_fmt", "yuv420p")
        stream.codec_context.thread_count = 1
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if rotation:
            stream.set_display_rotation(rotation)
        for name, value in context.items():
            setattr(stream.codec_context, name, value)
        for number in range(num_frames):
            frame = av.VideoFrame.from_ndarray(scene(number, *size), "rgb24")
            if context:
                frame = frame.reformat(
                    format=stream.pix_fmt,
                    dst_colorspace=context.get("colorspace"),
                    dst_color_range=context.get("color_range"),
                )
            if times is not None:
                frame.pts, frame.time_base = times[number], stream.codec_context.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


def pixels(data: bytes, kind: str, numbers: list[int], size: tuple[int, int]) -> np.ndarray:
    return decode(data, kind, ClipPlan(tuple(numbers), size, (0, 0, *size))).astype(np.int64)


def decoded(data: bytes) -> list[av.VideoFrame]:
    with open_video(data) as (container, stream):
        return [frame for packet in demux(container, stream) for frame in decode_packet(packet)]


@pytest.mark.parametrize("codec", list(CODECS))
def test_a_video_becomes_a_small_mp4_with_short_gops(codec: str) -> None:
    profile = VideoProfile(codec=codec, short_side=72, gop=4)
    made = transcode(video(22, (144, 200)), "mp4", profile)
    assert (made.ext, made.facts.kind, made.facts.codec) == ("mp4", "video", codec)
    assert (made.facts.width, made.facts.height, made.facts.num_frames) == (100, 72, 22)
    assert made.facts.fps == pytest.approx(25) and made.facts.duration == pytest.approx(0.88)
    assert made.facts.start_time == 0 and made.frames == tuple(range(22))
    assert made.key_frames.frames == [0, 4, 8, 12, 16, 20]
    assert made.media.index(b"moov") < made.media.index(b"mdat")
    frames = decoded(made.media)
    assert {frame.format.name for frame in frames} == {"yuv420p"} and {frame.color_range for frame in frames} == {1}
    assert all(frame.pict_type in (av.video.frame.PictureType.I, av.video.frame.PictureType.P) for frame in frames)
    error = pixels(made.media, "video", [0, 11, 21], (72, 100)) - pixels(
        video(22, (144, 200)), "video", [0, 11, 21], (72, 100)
    )
    assert np.abs(error).mean() < 4


@pytest.mark.parametrize("codec", list(CODECS))
def test_the_same_bytes_come_each_time_and_in_threads(codec: str) -> None:
    data, profile = video(10), VideoProfile(codec=codec, short_side=64)
    first = transcode(data, "mp4", profile)
    with ThreadPoolExecutor(3) as pool:
        assert all(made == first for made in pool.map(lambda _: transcode(data, "mp4", profile), range(3)))


def test_h264_of_a_narrow_video_is_the_same_at_the_hundredth_time() -> None:
    """x264's macroblock tree is not, at a width that is no multiple of 128."""
    clip = video(12, (72, 96))
    profile = VideoProfile(short_side=48, gop=4)
    assert len({transcode(clip, "mp4", profile).media for _ in range(300)}) == 1


@pytest.mark.parametrize(
    "name", ["h264, open GOPs", "h264, 4:4:4", "hevc in mkv", "vp9, hidden frames", "mpeg4", "av1"]
)
def test_every_frame_of_every_kind_of_video_comes_through_in_order(name: str) -> None:
    film = SEEKABLE[name]
    data = shoot(film)
    made = transcode(data, film.ext, VideoProfile(quality=10))
    numbers = list(range(0, 110, 7))
    assert made.facts.num_frames == 110 and (made.facts.width, made.facts.height) == (64, 48)
    before, after = (pixels(d, "video", numbers, (48, 64)) for d in (data, made.media))
    for number, frame in enumerate(after):
        nearest = np.abs(before - frame).mean(axis=(1, 2, 3)).argmin()
        assert nearest == number


@pytest.mark.parametrize("ext", ["mp4", "mkv"])
def test_frames_of_variable_length_keep_their_times(ext: str) -> None:
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.integers(15, 200, 30)).tolist()
    data = video(30, times=times, ext=ext)
    made = transcode(data, ext, SMALL)
    expected = (np.array(times) - times[0]) / 1000
    np.testing.assert_allclose([float(frame.time) for frame in decoded(made.media)], expected, atol=1e-3)
    np.testing.assert_allclose(frame_times(made.media), expected, atol=1e-3)
    assert made.facts.duration == pytest.approx(probe(data, f"x.{ext}").duration, abs=0.002)


def test_the_tenth_of_the_frames_keeps_the_duration() -> None:
    data = video(47)
    made = transcode(data, "mp4", find_profile("h264_256_tenth"))
    assert made.frames == (0, 10, 20, 30, 40)
    assert (made.facts.num_frames, made.facts.duration) == (5, pytest.approx(1.88))
    np.testing.assert_allclose(frame_times(made.media), [0, 0.4, 0.8, 1.2, 1.6])
    error = pixels(made.media, "video", [0, 1, 4], (96, 128)) - pixels(data, "video", [0, 10, 40], (96, 128))
    assert np.abs(error).mean() < 4


def test_a_fixed_rate_drops_frames_and_never_repeats_one() -> None:
    assert transcode(video(50), "mp4", VideoProfile(fps=5)).frames == tuple(range(0, 50, 5))
    assert transcode(video(10), "mp4", VideoProfile(fps=60)).frames == tuple(range(10))


@given(gaps=st.lists(st.floats(0.001, 3), max_size=60), begin=st.floats(-5000, 5000), fps=st.floats(0.1, 60))
def test_a_fixed_rate_takes_the_first_frame_of_each_slot(gaps: list[float], begin: float, fps: float) -> None:
    times = begin + np.cumsum([0.0, *gaps])
    kept = VideoProfile(fps=fps).keep(times.tolist())
    assert kept[0] == 0 and kept == sorted(set(kept))
    slots = np.floor((times - times[0]) * fps + 1e-3)
    assert sorted(set(slots.tolist())) == slots[kept].tolist()


@given(have=st.integers(1, 500), want=st.integers(1, 64))
def test_stored_frames_are_those_of_a_uniform_plan(have: int, want: int) -> None:
    kept = FramesProfile(num_frames=want).keep(range(have))
    assert len(kept) == len(set(kept)) == min(have, want) and kept == sorted(kept)
    if have >= want:
        config = ClipConfig(num_frames=want, size=8)
        facts = probe(shoot(Film(options="preset=ultrafast"), 2), "x.mp4")
        facts = facts.__class__("video", "h264", 8, 8, have, facts.fps, 1.0)
        assert tuple(kept) == plan_clip(facts, config, np.random.default_rng(0)).frames


@given(width=SIDES, height=SIDES, short=st.integers(16, 600), even=st.booleans())
def test_sides_fit_are_even_and_never_grow(width: int, height: int, short: int, even: bool) -> None:
    wide, high = fit(width, height, short, even)
    step = 2 if even else 1
    assert wide % step == high % step == 0
    assert step <= wide <= max(step, width) and step <= high <= max(step, height)
    if min(width, height) >= short:
        assert abs(min(wide, high) - short) < step
        assert max(wide, high) == pytest.approx(max(width, height) * short / min(width, height), abs=1)
    else:
        assert (wide, high) == (max(step, width - width % step), max(step, height - height % step))


@pytest.mark.parametrize(("size", "expected"), [((75, 101), (74, 100)), ((2, 2), (2, 2)), ((33, 640), (32, 620))])
def test_odd_sizes_become_even(size: tuple[int, int], expected: tuple[int, int]) -> None:
    made = transcode(video(3, size, "mpeg4", pix_fmt="yuv420p"), "mp4", SMALL.model_copy(update={"short_side": 74}))
    if size[0] == 33:
        expected = (32, 640)
    assert (made.facts.height, made.facts.width) == expected


@pytest.mark.parametrize("rotation", [90, 180, -90])
@pytest.mark.parametrize("profile", [VideoProfile(short_side=64, quality=8), FramesProfile(short_side=64)])
def test_rotation_is_applied_to_the_pixels(rotation: int, profile: Any) -> None:
    data = video(8, rotation=rotation)
    made = transcode(data, "mp4", profile)
    high, wide = (64, 86) if rotation == 180 else (86, 64)
    if made.facts.kind == "frames":
        high, wide = (64, 85) if rotation == 180 else (85, 64)
    assert (made.facts.height, made.facts.width) == (high, wide)
    assert decoded(made.media)[0].rotation == 0 if made.facts.kind == "video" else True
    error = pixels(made.media, made.facts.kind, [0, 7], (high, wide)) - pixels(data, "video", [0, 7], (high, wide))
    assert np.abs(error).mean() < 5


@pytest.mark.parametrize(
    ("context", "matrix", "range_"),
    [
        ({}, 6, 1),
        ({"colorspace": 1, "color_range": 1}, 1, 1),
        ({"colorspace": 5, "color_range": 1}, 5, 1),
        ({"colorspace": 1, "color_range": 2}, 1, 2),
        ({"pix_fmt": "yuvj420p", "color_range": 2}, 6, 2),
        ({"pix_fmt": "yuv420p10le", "colorspace": 9, "color_range": 1}, 9, 1),
    ],
)
@pytest.mark.parametrize("codec", list(CODECS))
def test_colours_stay_what_they_are(context: dict[str, Any], matrix: int, range_: int, codec: str) -> None:
    data = video(4, **context)
    made = transcode(data, "mp4", VideoProfile(codec=codec, quality=4))
    frame = decoded(made.media)[0]
    assert (frame.colorspace, frame.color_range) == (matrix, range_)
    assert frame.format.name == ("yuvj420p" if range_ == 2 and codec != "av1" else "yuv420p")
    error = pixels(made.media, "video", [0, 3], (96, 128)) - pixels(data, "video", [0, 3], (96, 128))
    assert np.abs(error.mean(axis=(0, 1, 2))).max() < 1, "a matrix or range that is taken wrong shifts colours by 5"


def test_sound_is_dropped(samples: Path) -> None:
    made = transcode((samples / "videos/tree_window.mp4").read_bytes(), "mp4", VideoProfile(every=20))
    with av.open(io.BytesIO(made.media)) as container:
        assert [stream.type for stream in container.streams] == ["video"]


@pytest.mark.parametrize(("picture", "ext"), [("jpeg", "jpg"), ("webp", "webp")])
def test_a_frames_profile_stores_pictures_of_the_planned_frames(picture: str, ext: str) -> None:
    data = video(40)
    made = transcode(data, "mp4", FramesProfile(num_frames=5, short_side=48, picture=picture, quality=95))
    assert (made.ext, made.facts.kind, made.facts.codec, made.facts.num_frames) == ("zip", "frames", picture, 5)
    assert made.frames == (4, 12, 20, 28, 36)
    stored = FramePictures(made.media)
    assert stored.times == pytest.approx([number / 25 for number in made.frames]) and stored.duration == 1.6
    assert made.facts.fps == pytest.approx(5 / 1.6)
    assert Image.open(io.BytesIO(stored.picture(0))).size == (64, 48) and not made.key_frames.frames
    error = pixels(made.media, "frames", [0, 2, 4], (48, 64)) - pixels(data, "video", [4, 20, 36], (48, 64))
    assert np.abs(error).mean() < 3


def test_a_short_video_gives_all_its_frames() -> None:
    made = transcode(video(3), "mp4", FramesProfile(num_frames=16))
    assert made.frames == (0, 1, 2) and made.facts.num_frames == 3


def test_a_picture_is_made_a_jpeg_only_where_that_saves() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (400, 600, 3), np.uint8))
    large, small = io.BytesIO(), io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    noise.save(large, "PNG", exif=exif)
    noise.resize((60, 40)).save(small, "JPEG", quality=60)
    made = transcode(large.getvalue(), "png", PROFILES["h264_256"])
    assert (made.ext, made.facts.codec, made.facts.width, made.facts.height) == ("jpg", "jpeg", 256, 384)
    assert made.frames == (0,) and Image.open(io.BytesIO(made.media)).getexif().get(0x0112) is None
    for profile in (PROFILES["h264_256"], PROFILES["frames_8"]):
        kept = transcode(small.getvalue(), "jpg", profile)
        assert (kept.media, kept.ext) == (small.getvalue(), "jpg")


def test_an_animated_gif_is_a_video_and_frame_samples_stay_as_they_are(samples: Path) -> None:
    made = transcode((samples / "images/bbb_grass.gif").read_bytes(), "gif", SMALL)
    assert (made.ext, made.facts.kind, made.facts.num_frames) == ("mp4", "video", 10)
    stored = transcode(video(9), "mp4", FramesProfile(num_frames=4))
    for profile in (SMALL, FramesProfile(num_frames=2)):
        again = transcode(stored.media, "zip", profile)
        assert (again.media, again.ext, again.facts) == (stored.media, "zip", stored.facts)


def test_a_file_that_was_cut_off_gives_the_frames_before_the_cut() -> None:
    data = shoot(Film(ext="ts", options="preset=ultrafast g=12"))
    made = transcode(data[: len(data) * 2 // 3], "ts", SMALL)
    assert 50 < made.facts.num_frames < 80


def test_damage_is_a_media_error_with_a_reason() -> None:
    data = video(60, ext="avi", codec="mjpeg", pix_fmt="yuvj420p")
    with pytest.raises(MediaError, match="not a video"):
        transcode(b"no video at all", "mp4", SMALL)
    with pytest.raises(MediaError, match="encoder refuses 2x2"):
        transcode(video(3, (2, 2), "mpeg4"), "mp4", VideoProfile(codec="av1"))
    damaged = bytearray(data)
    for at in range(len(data) // 3, len(data) - 3000, 97):
        damaged[at] ^= 0xFF
    with pytest.raises(MediaError, match=r"(decoding fails after|the stream ends after) \d+ "):
        transcode(bytes(damaged), "avi", SMALL)


@settings(max_examples=30)
@given(data=st.data())
def test_whatever_the_bytes_are_the_answer_is_a_medium_or_a_media_error(data: st.DataObject) -> None:
    damaged = bytearray(_WHOLE)
    for _ in range(data.draw(st.integers(1, 20))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del damaged[data.draw(st.integers(0, len(damaged))) :]
    try:
        made = transcode(bytes(damaged), "mp4", data.draw(st.sampled_from([SMALL, FramesProfile(num_frames=3)])))
        assert made.facts == probe(made.media, f"x.{made.ext}")
    except MediaError as error:
        assert str(error)


_WHOLE = video(12, (48, 64))


def test_every_profile_is_found_and_described() -> None:
    for name, profile in PROFILES.items():
        assert find_profile(name) == profile
        said = describe(name, profile)
        assert said["name"] == name and isinstance(said["quality"], int) and said["pyav"] == av.__version__


def test_fields_are_changed_and_wrong_ones_named() -> None:
    profile = find_profile("h264_256", short_side=128, gop=None, codec="hevc")
    assert profile == VideoProfile(short_side=128, codec="hevc")
    with pytest.raises(OptionError, match=r"no media profile is called 'h265'; known: h264_256, "):
        find_profile("h265")
    with pytest.raises(OptionError, match=r"profile h264_256 takes no --num-frames; it takes --short-side, --codec"):
        find_profile("h264_256", num_frames=4)
    with pytest.raises(OptionError, match=r"profile frames_8 takes no --codec, --gop; it takes --num-frames"):
        find_profile("frames_8", gop=4, codec="h264")
    with pytest.raises(OptionError, match=r"profile h264_256: quality 60 is beyond 51, the worst of h264"):
        find_profile("h264_256", quality=60)
    with pytest.raises(OptionError, match=r"profile h264_256_tenth: fps 5 and every 10 both say which frames are kept"):
        find_profile("h264_256_tenth", fps=5)
    with pytest.raises(OptionError, match=r"profile av1_256: codec: Input should be 'h264', 'hevc' or 'av1'"):
        find_profile("av1_256", codec="vp9")


def test_an_encoder_that_is_missing_is_said_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CODECS, "hevc", CODECS["hevc"]._replace(encoder="libnone"))
    with pytest.raises(OptionError, match=r"this PyAV has no encoder libnone for hevc; choose another --codec, or"):
        find_profile("hevc_256")


def test_a_joined_stream_keeps_its_length_and_all_of_its_frames() -> None:
    data = (FIELD / "concat.ts").read_bytes()
    made = transcode(data, "ts", VideoProfile(short_side=96, quality=10))
    assert made.facts.num_frames == 200 and made.facts.duration == pytest.approx(8.0, abs=0.05)
    assert np.diff(frame_times(made.media)) == pytest.approx([0.04] * 199, abs=1e-3)
    assert numbers_of(made.media, [0, 99, 100, 199]) == [0, 99, 0, 99]
    pictures = transcode(data, "ts", FramesProfile(num_frames=4))
    assert pictures.facts.duration == pytest.approx(8.0) and pictures.frames == (25, 75, 125, 175)


def test_a_stream_that_starts_between_key_frames_is_transcoded_from_its_first_one() -> None:
    made = transcode((FIELD / "head13.mp4").read_bytes(), "mp4", VideoProfile(short_side=96, quality=10))
    assert made.facts.num_frames == 75 and made.facts.duration == pytest.approx(3.0)
    assert numbers_of(made.media, [0, 1, 74]) == [25, 26, 99]
