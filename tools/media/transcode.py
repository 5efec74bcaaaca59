"""Media made for training: one medium in, a smaller one that decodes fast out, as a profile says.

Promises: `transcode` is a function of (bytes, extension, profile): no state, one thread, the same bytes each time with
the same version of PyAV. Pixels come out upright (the rotation of the container or EXIF is applied and its mark gone)
and are never scaled up; frames keep their own times, counted from the first; sound is dropped. Whatever is wrong with
the input is a MediaError. Facts and GOP table are probed from what came out.

- A video becomes an MP4 with its tables in front and a key frame every `gop` frames, no frame that refers forward
  and no open GOP, 8 bit 4:2:0. Matrix and range of its colours stay and are marked (converting them costs one or two
  levels of brightness in swscale); where no matrix is marked, or the video is RGB, BT.601 is: our decoder assumes it.
  High dynamic range is not tone mapped. Sides are even (the short side is that of the profile, or the video's own, less
  one pixel if that is odd).
- Or, by a frames profile, a frame sample: pictures of the frames in the middles of equal parts
  (shards/media/frames.py).
- A picture becomes a JPEG where that takes a tenth less bytes at least; else it stays as it is, byte for byte.
- A frame sample stays as it is.
Gives up: a video whose decoding fails before its end, or that lacks more than 2 frames or 2 % of those that it
promises, has no output (MediaError); a file that was cut off gives the frames before the cut. Loss adds up: transcode
what came from the camera, not what was transcoded.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from shards.base import ConfigError, Frozen, MediaError
from shards.media import (
    MAX_FRAMES,
    MAX_VIDEO_PIXELS,
    ClipPlan,
    KeyFrames,
    Media,
    MediaFacts,
    Orientation,
    PartialMedium,
    check_size,
    frame_times,
    has_alpha,
    open_image,
    open_video,
    orientation,
    over_white,
    pack_frames,
    probe_table,
    shown_frames,
    tolerated_loss,
    usable,
)
from tools.rows import OptionError

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

KEPT_SHARE = 0.9
"""A picture stays as it is unless the JPEG has at most this share of its bytes."""
_MAX_TICKS = 1_000_000
"""Finest clock of a video that is kept, ticks per second; a finer one becomes that of MPEG."""
_MPEG_CLOCK = Fraction(1, 90_000)


_NOMINAL_FPS = 25
"""What the rate control of x264 and x265 is told, whatever the rate: they spend more on frames that are shown longer,
but a model looks at each for as long as at any other."""


class _Codec(NamedTuple):
    encoder: str
    quality: int
    """Default of the profile's field."""
    worst: int
    tag: str
    """What the MP4 calls it, so that all players know it; empty: the muxer's own choice."""


CODECS = {
    "h264": _Codec("libx264", 23, 51, ""),
    "hevc": _Codec("libx265", 26, 51, "hvc1"),
    "av1": _Codec("libsvtav1", 35, 63, ""),
}
_PICTURE_QUALITY = 90


class VideoProfile(Frozen):
    """Videos for training: small, with many places where decoding can start."""

    short_side: int = Field(default=256, ge=16, le=4096)
    """Of the frames, pixels; a smaller video keeps its own."""
    codec: Literal["h264", "hevc", "av1"] = "h264"
    """All of them are decoded by NVDEC (AV1: from Ampere on)."""
    quality: int | None = Field(default=None, ge=0, le=63)
    """Constant rate factor, 0 (best) to 51, AV1 to 63; None: 23 for H.264, 26 for HEVC, 35 for AV1."""
    gop: int = Field(default=8, ge=1, le=600)
    """Frames from one key frame to the next."""
    fps: float | None = Field(default=None, ge=0.01, le=240)
    """At most so many frames per second are kept, the first of each 1/fps seconds; None: all."""
    every: int = Field(default=1, ge=1, le=1000)
    """One of so many frames is kept: 10 gives the tenth of the frame rate that ALPRO advises."""
    picture_quality: int = Field(default=_PICTURE_QUALITY, ge=1, le=100)
    """Of pictures in the dataset, JPEG quality."""

    @model_validator(mode="after")
    def _check(self) -> VideoProfile:
        if self.fps is not None and self.every != 1:
            raise ValueError(f"fps {self.fps:g} and every {self.every} both say which frames are kept; give one")
        if (self.quality or 0) > CODECS[self.codec].worst:
            raise ValueError(f"quality {self.quality} is beyond {CODECS[self.codec].worst}, the worst of {self.codec}")
        return self

    def keep(self, times: Sequence[float]) -> list[int]:
        """The numbers of the frames that are kept, of frames at these times (seconds, in order)."""
        if self.fps is None:
            return list(range(0, len(times), self.every))
        # A frame just before the border of a slot, by rounding, belongs to the slot behind it.
        slots = np.floor((np.asarray(times) - times[0]) * self.fps + 1e-3)
        return np.flatnonzero(np.diff(slots, prepend=-1) > 0).tolist()


class FramesProfile(Frozen):
    """A few pictures of each video instead of the video."""

    num_frames: int = Field(default=8, ge=1, le=MAX_FRAMES)
    """Pictures of each video; of a shorter one all its frames."""
    short_side: int = Field(default=256, ge=16, le=4096)
    """Of the pictures, pixels; a smaller video keeps its own."""
    picture: Literal["jpeg", "webp"] = "jpeg"
    """nvJPEG decodes JPEG; WebP is smaller and decoded on the CPU."""
    quality: int | None = Field(default=None, ge=1, le=100)
    """Of the pictures, 100 is best; None: 90 for JPEG, 80 for WebP."""
    picture_quality: int = Field(default=_PICTURE_QUALITY, ge=1, le=100)
    """Of pictures in the dataset, JPEG quality."""

    def keep(self, times: Sequence[float]) -> list[int]:
        """The frames in the middles of num_frames equal parts, each once: those of a uniform clip plan."""
        have, want = len(times), min(self.num_frames, len(times))
        return [(2 * i + 1) * have // (2 * want) for i in range(want)]


Profile = VideoProfile | FramesProfile

PROFILES: dict[str, Profile] = {
    "h264_256": VideoProfile(),
    "h264_256_tenth": VideoProfile(every=10, gop=4),
    "hevc_256": VideoProfile(codec="hevc"),
    "av1_256": VideoProfile(codec="av1"),
    "frames_8": FramesProfile(num_frames=8),
    "frames_16": FramesProfile(num_frames=16),
}
"""Names for the command line."""


@dataclass(frozen=True, slots=True)
class Transcoded:
    """What came out."""

    media: bytes
    ext: str
    facts: MediaFacts
    key_frames: KeyFrames
    frames: tuple[int, ...]
    """Which frames of the input these are, by number."""


def find_profile(name: str, **changes: Any) -> Profile:
    """The profile of this name, with some fields changed (None: not changed). Raises OptionError."""
    if name not in PROFILES:
        raise OptionError(f"no media profile is called {name!r}; known: {', '.join(PROFILES)}")
    profile = PROFILES[name]
    given = {field: value for field, value in changes.items() if value is not None}
    surplus = sorted(given.keys() - type(profile).model_fields.keys())
    if surplus:
        takes = ", ".join(f"--{field.replace('_', '-')}" for field in type(profile).model_fields)
        surplus_flags = ", ".join(f"--{field.replace('_', '-')}" for field in surplus)
        raise OptionError(f"profile {name} takes no {surplus_flags}; it takes {takes}")
    try:
        profile = type(profile)(**{**profile.model_dump(), **given})
    except ConfigError as error:
        raise OptionError(f"profile {name}: {str(error).removeprefix(f'{type(profile).__name__}: ')}") from error
    if isinstance(profile, VideoProfile):
        _check_encoder(profile.codec)
    return profile


def describe(name: str, profile: Profile) -> dict[str, Any]:
    """What the provenance of a dataset says of its media: with this, and the inputs, the same bytes come again."""
    import av
    import PIL

    fields = profile.model_dump()
    if profile.quality is None:
        fields["quality"] = _quality(profile)
    return {"name": name, **fields, "pyav": av.__version__, "pillow": PIL.__version__}


def transcode(data: bytes, ext: str, profile: Profile) -> Transcoded:
    """Make one medium (with this extension) what the profile says. Raises MediaError."""
    facts, table = probe_table(data, f"x.{ext}")
    if facts.kind == "video" and isinstance(profile, VideoProfile):
        media, frames = _make_video(data, facts.duration, profile)
        ext = "mp4"
    elif facts.kind == "video":
        assert isinstance(profile, FramesProfile)
        media, frames = _make_frames(data, facts, KeyFrames.of(table).without_marks(), profile)
        ext = "zip"
    else:
        smaller = _make_picture(data, profile) if facts.kind == "image" else None
        if smaller is None:
            return Transcoded(data, ext, facts, KeyFrames.of(table), tuple(range(facts.num_frames)))
        media, frames, ext = smaller, [0], "jpg"
    facts, table = probe_table(media, f"x.{ext}")
    return Transcoded(media, ext, facts, KeyFrames.of(table), tuple(frames))


def fit(width: int, height: int, short_side: int, even: bool = True) -> tuple[int, int]:
    """(width, height) with this short side or, of what is smaller already, its own; even: no odd side."""
    scale = min(1.0, short_side / min(width, height))
    step = 2 if even else 1

    def side(own: int) -> int:
        return max(step, min(own - own % step, round(own * scale / step) * step))

    return side(width), side(height)


# ---------------------------------------------------------------- video


def _make_video(data: bytes, duration: float, profile: VideoProfile) -> tuple[bytes, list[int]]:
    """An MP4 of the kept frames, and their numbers. duration: when the last frame ends, seconds."""
    times = frame_times(data)
    kept = set(profile.keep(times))
    numbers: list[int] = []
    decoded = 0
    writer: _Writer | None = None
    with open_video(data) as (container, stream):
        for number, frame in enumerate(_decode(container, stream)):
            decoded = number + 1
            if number not in kept:
                continue
            if writer is None:
                writer = _Writer(profile, frame, stream)
            writer.add(frame, times[number] - times[0])
            numbers.append(number)
    if writer is None:
        raise MediaError("no frame can be decoded")
    if len(times) - decoded > tolerated_loss(len(times)):
        raise MediaError(f"the stream ends after {decoded} frames ({len(times)} were counted)")
    return writer.finish(duration), numbers


def _decode(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """All frames that are shown, in order; of a file that was cut off those before the cut. Raises MediaError."""
    from av import FFmpegError

    count = 0
    try:
        for frame in shown_frames(container, stream):
            count += 1
            yield frame
    except FFmpegError as error:
        raise MediaError(f"decoding fails after {count} frames ({error.strerror})") from error


class _Writer:
    """The MP4 in the making."""

    def __init__(self, profile: VideoProfile, first: VideoFrame, stream: VideoStream) -> None:
        import av
        from av.container import OutputContainer
        from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
        from av.video.stream import VideoStream

        self._profile = profile
        self._turn = orientation(first)
        stored = fit(first.width, first.height, profile.short_side)
        self._stored = stored
        width, height = stored[::-1] if self._turn.swaps_sides else stored
        self._reformatter = VideoReformatter()
        self._interpolation = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
        keeps_matrix = first.colorspace in _MATRICES and not has_alpha(first)
        self._matrix = first.colorspace if keeps_matrix else _SMPTE170M
        is_full = first.color_range == _FULL and not first.format.is_rgb
        self._range = ColorRange.JPEG if is_full else ColorRange.MPEG
        clock = stream.time_base
        self._clock = clock if clock and clock > 0 and clock.denominator <= _MAX_TICKS else _MPEG_CLOCK
        rate = stream.average_rate if stream.average_rate and 0 < stream.average_rate <= 1000 else Fraction(25)
        rate /= profile.every
        if profile.fps is not None:
            rate = min(rate, Fraction(profile.fps).limit_denominator(1001))
        self._last = -1
        self._held: Packet | None = None
        """The newest packet, which may be the last."""
        self._out = io.BytesIO()
        with _encoding(profile, width, height):
            container = av.open(
                self._out, "w", format="mp4", options={"movflags": "faststart"}, io_open=self._open_again
            )
            assert isinstance(container, OutputContainer)
            self._container = container
            codec = CODECS[profile.codec]
            video = container.add_stream(codec.encoder, rate=rate.limit_denominator(1 << 16), options=_options(profile))
            assert isinstance(video, VideoStream)
            video.width, video.height, video.pix_fmt = width, height, "yuv420p"
            context = video.codec_context
            context.time_base, context.thread_count, context.thread_type = self._clock, 1, "NONE"
            context.color_range, context.colorspace = self._range, self._matrix
            context.color_primaries = first.color_primaries if first.color_primaries in _PRIMARIES else _UNSPECIFIED
            context.color_trc = first.color_trc if first.color_trc in _TRANSFERS else _UNSPECIFIED
            if codec.tag:
                context.codec_tag = codec.tag
            context.open()
            self._video = video

    def add(self, frame: VideoFrame, time: float) -> None:
        """Encode one frame, which is shown so many seconds after the first one."""
        import av
        from av.video.reformatter import Colorspace

        check_size(frame.width, frame.height, MAX_VIDEO_PIXELS)
        width, height = self._stored
        if has_alpha(frame):
            frame = av.VideoFrame.from_ndarray(over_white(frame, self._reformatter, width, height), "rgb24")
        small = self._reformatter.reformat(
            frame,
            width,
            height,
            "yuv420p",
            dst_colorspace=None if frame.colorspace in _MATRICES else Colorspace.ITU601,
            dst_color_range=self._range,
            interpolation=self._interpolation,
            threads=1,
        )
        # A new frame: nothing that the old one carries (its type, rotation, captions) goes along.
        planes = small.to_ndarray().astype(np.uint8, copy=False)
        upright = av.VideoFrame.from_ndarray(_upright(planes, self._stored, self._turn), "yuv420p")
        upright.color_range, upright.colorspace = self._range, self._matrix
        upright.pts, upright.time_base = self._ticks(time), self._clock
        with _encoding(self._profile, upright.width, upright.height):
            self._mux(self._video.encode(upright))

    def finish(self, duration: float) -> bytes:
        """The file. duration: when the last frame ends, seconds from the first."""
        with _encoding(self._profile, self._video.width, self._video.height):
            self._mux(self._video.encode(None))
            if self._held is not None:
                # Of the last packet the MP4 notes how long it lasts; of the others, when the next one comes.
                self._held.duration = max(1, round(Fraction(duration) / self._clock) - self._last)
                self._container.mux(self._held)
            self._container.close()
        return self._out.getvalue()

    def _mux(self, packets: Sequence[Packet]) -> None:
        for packet in packets:
            if self._held is not None:
                self._container.mux(self._held)
            self._held = packet

    def _ticks(self, time: float) -> int:
        """When a frame is shown, later than the one before it."""
        self._last = max(round(time / float(self._clock)), self._last + 1)
        return self._last

    def _open_again(self, url: str, flags: int, options: dict[str, Any]) -> _Window:
        """To move its tables to the front the muxer reads what it has written; writing goes on meanwhile."""
        return _Window(self._out)


class _Window(io.RawIOBase):
    """Reads a BytesIO at a place of its own."""

    def __init__(self, file: io.BytesIO) -> None:
        self._file, self._at = file, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        with self._file.getbuffer() as view:
            data = bytes(view[self._at : len(view) if size < 0 else self._at + size])
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._file.getbuffer().nbytes)[whence]
        return self._at

    def tell(self) -> int:
        return self._at


# Numbers of H.273, which FFmpeg uses.
_UNSPECIFIED, _SMPTE170M, _FULL = 2, 6, 2
_MATRICES = (1, 4, 5, _SMPTE170M, 7, 9)
"""That swscale knows."""
_PRIMARIES, _TRANSFERS = (1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 22), (1, 4, 5, 6, 7, 8, 13, 14, 15, 16, 18)


def _options(profile: VideoProfile) -> dict[str, str]:
    """Of the encoder. Key frames come at fixed distances; no frame refers to a later one, so none is reordered."""
    gop, quality = str(profile.gop), str(_quality(profile))
    if profile.codec == "h264":
        # fastdecode (no arithmetic coding, no deblocking) halves the time of decoding for 9 % more bytes
        # (benchmarks/bench_decode.py, set forms).
        # B frames would save bytes and time, but x264 gives other bytes from run to run with them.
        fixed = {"preset": "medium", "tune": "fastdecode", "bf": "0", "sc_threshold": "0"}
        # mbtree reads memory that nobody wrote where a width is no multiple of 128: other bytes every hundredth time.
        # Without it files are 3 to 8 % larger.
        fixed["x264-params"] = f"threads=1:lookahead-threads=1:mbtree=0:force-cfr=1:fps={_NOMINAL_FPS}/1"
        return {**fixed, "crf": quality, "g": gop, "keyint_min": gop}
    if profile.codec == "hevc":
        fixed = {"preset": "medium", "crf": quality}
        lone = f"pools=none:frame-threads=1:wpp=0:log-level=none:info=0:fps={_NOMINAL_FPS}"
        return {**fixed, "x265-params": f"keyint={gop}:min-keyint={gop}:scenecut=0:open-gop=0:bframes=0:{lone}"}
    return {"preset": "8", "crf": quality, "g": gop, "svtav1-params": "lp=1:scd=0:pred-struct=1"}


def _quality(profile: Profile) -> int:
    if profile.quality is not None:
        return profile.quality
    if isinstance(profile, VideoProfile):
        return CODECS[profile.codec].quality
    return {"jpeg": _PICTURE_QUALITY, "webp": 80}[profile.picture]


@contextmanager
def _encoding(profile: VideoProfile, width: int, height: int) -> Iterator[None]:
    from av import FFmpegError

    try:
        yield
    except FFmpegError as error:
        raise MediaError(f"the {profile.codec} encoder refuses {width}x{height} ({error.strerror})") from error


def _check_encoder(codec: str) -> None:
    from av import Codec

    try:
        Codec(CODECS[codec].encoder, "w")
    except ValueError as error:
        raise OptionError(
            f"this PyAV has no encoder {CODECS[codec].encoder} for {codec}; choose another --codec, or install the "
            "wheel of PyAV from PyPI, which has it"
        ) from error


def _upright(planes: NDArray[np.uint8], size: tuple[int, int], turn: Orientation) -> NDArray[np.uint8]:
    """Turn a 4:2:0 frame as PyAV lays it out: rows of luma, then both chroma planes in rows of the same length."""
    if turn == Orientation():
        return planes
    width, height = size
    flat, luma = planes.reshape(-1), width * height
    shapes = ((height, width), (height // 2, width // 2), (height // 2, width // 2))
    starts = (0, luma, luma * 5 // 4)
    turned = []
    for (high, wide), start in zip(shapes, starts, strict=True):
        plane = flat[start : start + high * wide].reshape(high, wide)
        turned.append(np.rot90(plane[:, ::-1] if turn.mirror else plane, turn.quarter_turns).reshape(-1))
    return np.concatenate(turned).reshape(-1, height if turn.swaps_sides else width)


# ---------------------------------------------------------------- pictures


def _make_frames(data: bytes, facts: MediaFacts, table: KeyFrames, profile: FramesProfile) -> tuple[bytes, list[int]]:
    """A frame sample, and the numbers of its frames."""
    from shards.decode import decode

    times = frame_times(data)
    numbers = profile.keep(range(facts.num_frames))
    width, height = fit(facts.width, facts.height, profile.short_side, even=False)
    media: Media = PartialMedium.of_bytes(data, table) if usable(table, len(data)) else data
    clip = decode(media, "video", ClipPlan(tuple(numbers), (height, width), (0, 0, height, width)))
    kind, ext = ("WEBP", "webp") if profile.picture == "webp" else ("JPEG", "jpg")
    pictures = [_save(frame, kind, _quality(profile)) for frame in clip]
    since = [times[number] - times[0] for number in numbers]
    fps = len(numbers) / facts.duration if facts.duration else 0.0
    return pack_frames(pictures, ext, round(fps, 6), round(facts.duration, 6), [round(t, 6) for t in since]), numbers


def _make_picture(data: bytes, profile: Profile) -> bytes | None:
    """A picture as JPEG; None where that does not save a tenth of its bytes."""
    from shards.decode import decode

    with open_image(data) as (image, turn):
        width, height = image.size[::-1] if turn.swaps_sides else image.size
    width, height = fit(width, height, profile.short_side, even=False)
    (picture,) = decode(data, "image", ClipPlan((0,), (height, width), (0, 0, height, width)))
    saved = _save(picture, "JPEG", profile.picture_quality)
    return saved if len(saved) <= KEPT_SHARE * len(data) else None


def _save(picture: NDArray[np.uint8], kind: str, quality: int) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(picture).save(out, kind, quality=quality)
    return out.getvalue()
