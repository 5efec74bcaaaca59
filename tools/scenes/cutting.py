"""Make clips of the scenes of a video: encoded anew, frame by frame, or copied from key frame to key frame.

Promises: encoded clips have the frames of their scenes and no others, as a media profile makes them (upright, small,
times from 0); copied ones have the bytes of the frames as they are, begin at a key frame, and say their true times.
Sound is dropped in both. Gives up: of a video with open GOPs a copied clip lacks the frames that refer to the clip
before it.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from shards.base import MediaError
from shards.media import KeyFrames, MediaFacts, open_video, probe_table, shown_frames, tolerated_loss
from tools.media.mp4_writer import Mp4Writer
from tools.media.profiles import VideoProfile
from tools.scenes.scenes import Scene

if TYPE_CHECKING:
    from av import Packet
    from av.video.stream import VideoStream

_FORMATS = {"mp4": "mp4", "mov": "mp4", "m4v": "mp4", "3gp": "mp4", "3g2": "mp4", "webm": "webm"}
"""The container of copied clips by that of the video; Matroska takes all others."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip of a video."""

    number: int
    """Counted from 0 in the video."""
    start: float
    end: float
    """Seconds from the first frame of the video."""
    media: bytes
    ext: str
    facts: MediaFacts
    key_frames: KeyFrames


def encode_scenes(data: bytes, scenes: Sequence[Scene], times: Sequence[float], profile: VideoProfile) -> list[Clip]:
    """Encode every scene. times: of all frames of the video. Raises MediaError."""
    from av import FFmpegError

    clips: list[Clip] = []
    waiting = iter(scenes)
    scene, writer, kept = next(waiting), None, set[int]()
    count = 0
    with open_video(data) as (container, stream):
        try:
            for number, frame in enumerate(shown_frames(container, stream)):
                if number >= len(times):
                    break
                count += 1
                if number == scene.stop:
                    clips.append(_finished(len(clips), scene, writer))
                    scene, writer = next(waiting), None
                if writer is None:
                    kept = {scene.first + one for one in profile.keep(times[scene.first : scene.stop])}
                    writer = Mp4Writer(profile, frame, stream)
                if number in kept:
                    writer.add(frame, times[number] - times[scene.first])
        except FFmpegError as error:
            raise MediaError(f"decoding fails after {count} frames ({error.strerror})") from error
    if len(times) - count > tolerated_loss(len(times)):
        raise MediaError(f"the stream ends after {count} frames ({len(times)} were counted)")
    clips.append(_finished(len(clips), scene, writer))
    return clips


def copy_scenes(data: bytes, ext: str, scenes: Sequence[Scene], starts: Sequence[float]) -> list[Clip]:
    """Copy the packets of every scene, each of which begins at a key frame. starts: the times of these key frames on
    the clock of the stream. Raises MediaError."""
    from av import FFmpegError

    outs: list[io.BytesIO] = []
    with open_video(data) as (container, stream):
        tick = stream.time_base or Fraction(1, 90_000)
        begins = [round(Fraction(start) / tick) for start in starts]
        half = 1 + round(Fraction(1, 1000) / tick)  # the table holds times as 32-bit floats
        writer: _Copy | None = None
        try:
            for packet in container.demux(stream):
                if packet.pts is None or packet.size == 0:
                    if packet.size:
                        raise MediaError(_no_copy("a frame without time"))
                    continue
                if packet.is_keyframe and len(outs) < len(begins) and packet.pts >= begins[len(outs)] - half:
                    if writer is not None:
                        writer.close()
                    outs.append(io.BytesIO())
                    writer = _Copy(outs[-1], ext, stream, packet.pts)
                if writer is not None and packet.pts >= writer.begin:
                    writer.add(packet)
            if writer is not None:
                writer.close()
        except (FFmpegError, ValueError) as error:
            if isinstance(error, MediaError):
                raise
            raise MediaError(_no_copy(getattr(error, "strerror", None) or str(error))) from error
    if len(outs) != len(scenes):
        raise MediaError(_no_copy(f"{len(outs)} of {len(scenes)} key frames were found again"))
    clips = []
    for number, (scene, out) in enumerate(zip(scenes, outs, strict=True)):
        facts, table = probe_table(out.getvalue(), f"x.{_extension(ext)}")
        end = scene.start + facts.duration if number == len(scenes) - 1 else scene.end
        clips.append(Clip(number, scene.start, end, out.getvalue(), _extension(ext), facts, KeyFrames.of(table)))
    return clips


class _Copy:
    """A container to which packets are copied, with times from that of its first key frame."""

    def __init__(self, out: io.BytesIO, ext: str, stream: VideoStream, begin: int) -> None:
        import av
        from av.container import OutputContainer

        self.begin = begin
        fast = {"movflags": "faststart"} if _FORMATS.get(ext) == "mp4" else {}
        container = av.open(
            out, "w", format=_FORMATS.get(ext, "matroska"), options=fast, io_open=lambda *_: io.BytesIO(out.getvalue())
        )
        assert isinstance(container, OutputContainer)
        self._out = container
        self._stream = self._out.add_stream_from_template(stream, opaque=True)  # also codecs without an encoder

    def add(self, packet: Packet) -> None:
        """Copy a packet. Raises FFmpegError."""
        assert packet.pts is not None
        packet.pts -= self.begin
        if packet.dts is not None:
            packet.dts -= self.begin
        packet.stream = self._stream
        self._out.mux(packet)

    def close(self) -> None:
        """End the container. Raises FFmpegError."""
        self._out.close()


def _finished(number: int, scene: Scene, writer: Mp4Writer | None) -> Clip:
    assert writer is not None, "a scene has a frame"
    media = writer.finish(scene.end - scene.start)
    facts, table = probe_table(media, "x.mp4")
    return Clip(number, scene.start, scene.end, media, "mp4", facts, KeyFrames.of(table))


def _extension(ext: str) -> str:
    return {"mp4": "mp4", "webm": "webm"}.get(_FORMATS.get(ext, ""), "mkv")


def _no_copy(why: str) -> str:
    return f"cannot be copied ({why}); use --cut reencode"
