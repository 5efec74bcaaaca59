"""Opening, demuxing and decoding a video with FFmpeg, under the limits that hostile files need."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from shards.base.errors import MediaError
from shards.media.limits import MAX_VIDEO_PIXELS, check_size
from shards.media.partial import PartialMedium
from shards.media.pictures.forms import picture_extension
from shards.media.pictures.signatures import foreign_kind
from shards.media.videos.mp4 import check_sample_counts

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

_SEEKABLE = "mov,matroska"
_DEMUXERS = "mov,matroska,avi,mpegts,mpeg,mpegvideo,ogg,flv,gif,asf,mp3"
_STRICT = {"err_detect": "crccheck+bitstream+buffer+explode"}
"""Damage is an error then; otherwise decoders show something that looks like the frame."""
_LENIENT_CODECS = ("h264",)
"""Codecs in which these options would also refuse the key frames of open GOPs."""
# FFmpeg then opens no decoder of its own (ours it does not ask) and reads no further than the first packet.
_NO_PROBE = {"codec_whitelist": "none", "probesize": "32"}


class NotVideo(MediaError):
    """Bytes that are no video; the advice says what else they are, where they tell."""

    def __init__(self, reason: str, instead: str = "") -> None:
        super().__init__(reason)
        self.instead = instead

    @property
    def advice(self) -> str:
        """The reason and what to do."""
        return f"{self}; {self.instead or 'fetch it again'}"


def _instead(data: bytes) -> str:
    """What a file is that is named as a video and is none, and what to do with it; "" where its bytes do not say."""
    picture, other = picture_extension(data), foreign_kind(data)
    if picture:
        return f"it is a picture: name it .{picture}"
    if other is None or other.remedy.startswith("name it"):  # a video by its first bytes: damaged behind them
        return ""
    return f"it is {other.name}: {other.remedy.replace('pictures', 'videos')}"


@contextmanager
def open_video(data: bytes | PartialMedium, probe: bool = True) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a container in memory and choose its default video stream (else the first), one codec thread.

    probe: let FFmpeg decode a first frame to find out what the header does not say; False saves the time of that
    frame, and streams that do not tell how far their frames are reordered may lose frames; damage is then an error,
    where it would otherwise be shown as well as possible.
    Errors of the data inside the block become MediaError. A PartialMedium is refused if opening it would read it whole.
    """
    import av
    from av.container import InputContainer

    partial = isinstance(data, PartialMedium)
    file = data.open() if isinstance(data, PartialMedium) else io.BytesIO(data)
    size = data.size if isinstance(data, PartialMedium) else len(data)
    try:
        check_sample_counts(file, whole=not partial)
    except ValueError as error:
        raise MediaError(f"not a video: {error}") from error
    file.seek(0)
    options = {"format_whitelist": _SEEKABLE if partial else _DEMUXERS, "protocol_whitelist": "none"}
    try:
        with video_errors("not a video"):
            container = av.open(
                file,
                options=options if probe else options | _NO_PROBE,
                metadata_errors="replace",
                buffer_size=min(max(size, 4096), 1 << 15 if partial else 1 << 18),
            )
    except MediaError as error:
        instead = "" if isinstance(data, PartialMedium) else _instead(data)
        raise NotVideo(str(error), instead) from error.__cause__
    assert isinstance(container, InputContainer)
    with container, video_errors("damaged"):
        streams = [s for s in container.streams.video if not s.disposition & s.disposition.attached_pic]
        if not streams:
            raise MediaError("no video stream")
        # The track that players show: the first that is marked as default, as most are that are alone.
        stream = next((s for s in streams if s.disposition & s.disposition.default), streams[0])
        if stream.codec_context is None:
            raise MediaError("this FFmpeg has no decoder for the video stream")
        check_size(stream.codec_context.width, stream.codec_context.height, MAX_VIDEO_PIXELS)
        # One thread per clip: the loader decodes many clips side by side.
        stream.codec_context.thread_type = "NONE"
        stream.codec_context.thread_count = 1
        # The size may change inside the stream, behind the check above.
        stream.codec_context.options = {"max_pixels": str(MAX_VIDEO_PIXELS)}
        if not probe and stream.codec_context.codec.canonical_name not in _LENIENT_CODECS:
            stream.codec_context.options |= _STRICT
        yield container, stream


@contextmanager
def video_errors(what: str) -> Iterator[None]:
    """Turn errors of FFmpeg about bad data into MediaError."""
    from av import FFmpegError

    try:
        yield
    except FFmpegError as error:
        raise MediaError(f"{what}: {error.strerror or error}") from error


def gives_frame(packet: Packet, codec: str) -> bool:
    """True if decoding a packet shows a frame, as far as can be told without decoding."""
    if packet.size == 0 or packet.is_discard:  # discard: behind the edges that an edit list cuts
        return False
    # VP8 keeps references that are never shown in packets of their own; bit 4 of the first byte says so.
    return codec != "vp8" or bool(bytes(memoryview(packet)[:1])[0] & 0x10)


def demux(container: InputContainer, stream: VideoStream) -> Iterator[Packet]:
    """The packets of a stream, at the end an empty one that makes the decoder give its last frames."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except IndexError:
            # PyAV 18.1, at the very end: it looks up streams that first appeared behind the header (TS, FLV).
            return
        if packet is None:
            return
        yield packet


def decode_packet(packet: Packet) -> list[VideoFrame]:
    """The frames that a packet completes, in presentation order. Raises FFmpegError."""
    # Empty packets in mid-stream (a repeated frame in Theora and AVI) are not decoded: FFmpeg takes them for the end.
    if packet.size == 0 and (packet.pts is not None or packet.dts is not None):
        return []
    return packet.decode()
