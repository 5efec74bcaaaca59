"""Write the frames of a video as an MP4 for training: its tables in front, a key frame every `gop` frames.

No frame refers forward, there is no open GOP, pixels are 8 bit 4:2:0 and upright. Matrix and range of the colours stay
and are marked (converting them costs one or two levels of brightness in swscale); where no matrix is marked, or the
video is RGB, BT.601 is: our decoder assumes it. High dynamic range is not tone mapped. Sides are multiples of 16: the
short side is that of the profile, or the video's own, and both are scaled to the nearest one (profiles.py says why).
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shards.media import MAX_VIDEO_PIXELS, Orientation, check_size, has_alpha, over_white
from tools.media.codecs import CODECS
from tools.media.profiles import SIDE_STEP, VideoProfile, fit

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.video.stream import VideoStream


_MAX_TICKS = 1_000_000
"""Ticks per second of the finest clock that is kept; a finer clock is replaced by that of MPEG."""
_MPEG_CLOCK = Fraction(1, 90_000)


class Mp4Writer:
    """An MP4 to which frames are added in order."""

    def __init__(self, profile: VideoProfile, first: VideoFrame, stream: VideoStream) -> None:
        import av
        from av.container import OutputContainer
        from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
        from av.video.stream import VideoStream

        self._turn = Orientation.of(first)
        stored = fit(first.width, first.height, profile.short_side, SIDE_STEP)
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
        codec = self._codec = CODECS[profile.codec]
        with codec.encoding(width, height):
            container = av.open(
                self._out, "w", format="mp4", options={"movflags": "faststart"}, io_open=self._open_again
            )
            assert isinstance(container, OutputContainer)
            self._container = container
            video = container.add_stream(
                codec.encoder,
                rate=rate.limit_denominator(1 << 16),
                options=codec.options(profile.used_quality, profile.gop, profile.encoder_threads),
            )
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
        """Encode one frame. time: when it is shown, seconds from the first."""
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
        # A new frame, without the side data of the old one (type, rotation, captions).
        planes = small.to_ndarray().astype(np.uint8, copy=False)
        upright = av.VideoFrame.from_ndarray(_upright(planes, self._stored, self._turn), "yuv420p")
        upright.color_range, upright.colorspace = self._range, self._matrix
        upright.pts, upright.time_base = self._ticks(time), self._clock
        with self._codec.encoding(upright.width, upright.height):
            self._mux(self._video.encode(upright))

    def finish(self, duration: float) -> bytes:
        """End the file and return it. duration: when the last frame ends, seconds from the first."""
        with self._codec.encoding(self._video.width, self._video.height):
            self._mux(self._video.encode(None))
            if self._held is not None:
                # An MP4 stores the duration of the last packet only; others last until the next one.
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
        """The time of a frame in ticks, later than that of the frame before."""
        self._last = max(round(time / float(self._clock)), self._last + 1)
        return self._last

    def _open_again(self, url: str, flags: int, options: dict[str, Any]) -> _Window:
        """The muxer reads its own output to move the tables to the front, while it goes on writing."""
        return _Window(self._out)


class _Window(io.RawIOBase):
    """Reads a BytesIO from a position of its own."""

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
"""Colour matrices that swscale knows."""
_PRIMARIES, _TRANSFERS = (1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 22), (1, 4, 5, 6, 7, 8, 13, 14, 15, 16, 18)


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
