"""Video codecs: the encoder of each with its options, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from shards.base import MediaError
from tools.rows import OptionError

_NOMINAL_FPS = 25
"""Frame rate that the rate control of x264 and x265 assumes. They spend more bits on frames that are shown longer, and
to a model all frames are equal."""


class _Codec(NamedTuple):
    """A codec and how it is encoded."""

    name: str
    encoder: str
    quality: int
    """Constant rate factor where the profile gives none."""
    worst: int
    """The largest constant rate factor."""
    tag: str
    """Its name in the MP4, so that all players know it; empty: the muxer's own choice."""

    def options(self, quality: int, gop: int, threads: int = 1) -> dict[str, str]:
        """Options of the encoder: key frames at fixed distances, and no frame that refers to a later one.

        threads: of the encoder, for one video; the bytes depend on their number, and on nothing else.
        """
        crf, distance = str(quality), str(gop)
        if self.name == "h264":
            # fastdecode (no arithmetic coding, no deblocking) halves the time of decoding for 9 % more bytes
            # (benchmarks/bench_decode.py, set forms).
            # B frames would save bytes and time, but with them the bytes of x264 differ from run to run.
            fixed = {"preset": "medium", "tune": "fastdecode", "bf": "0", "sc_threshold": "0"}
            # mbtree reads unwritten memory where the width is no multiple of 128: one output in a hundred differs.
            # Without it files are 3 to 8 % larger.
            fixed["x264-params"] = f"threads={threads}:lookahead-threads=1:mbtree=0:force-cfr=1:fps={_NOMINAL_FPS}/1"
            return {**fixed, "crf": crf, "g": distance, "keyint_min": distance}
        if self.name == "hevc":
            fixed = {"preset": "medium", "crf": crf}
            lone = f"pools=none:frame-threads={threads}:wpp=0:log-level=none:info=0:fps={_NOMINAL_FPS}"
            return {**fixed, "x265-params": f"keyint={gop}:min-keyint={gop}:scenecut=0:open-gop=0:bframes=0:{lone}"}
        return {"preset": "8", "crf": crf, "g": distance, "svtav1-params": f"lp={threads}:scd=0:pred-struct=1"}

    @contextmanager
    def encoding(self, width: int, height: int) -> Iterator[None]:
        """Turn what the encoder refuses inside into a MediaError."""
        from av import FFmpegError

        try:
            yield
        except FFmpegError as error:
            raise MediaError(f"the {self.name} encoder refuses {width}x{height} ({error.strerror})") from error

    def check(self) -> None:
        """Raise OptionError where this PyAV has no encoder for the codec."""
        from av import Codec

        try:
            Codec(self.encoder, "w")
        except ValueError as error:
            raise OptionError(
                f"this PyAV has no encoder {self.encoder} for {self.name}; choose another --codec, or install the "
                "wheel of PyAV from PyPI, which has it"
            ) from error


CODECS = {
    codec.name: codec
    for codec in (
        _Codec("h264", "libx264", 23, 51, ""),
        _Codec("hevc", "libx265", 26, 51, "hvc1"),
        _Codec("av1", "libsvtav1", 35, 63, ""),
    )
}
