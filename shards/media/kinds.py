"""What a medium is (kind, codec, size, frames), and the one way in which encoded bytes are opened.

Promises: whatever the bytes are, the answer is facts or a MediaError with a reason. Containers are opened from memory
with an allow-list of formats and no protocols, so a playlist or a reference inside a file leads nowhere; pictures only
with formats that Pillow decodes itself. Sizes are checked before anything is decoded (decompression bombs).
Facts describe what decoding will give: width and height after the rotation that the container or EXIF asks for, the
first frame really decoded, frames counted by demuxing, from the first that is shown (shards/media/videos/video_facts.py; a header
may lie, and decoding everything would cost 50 times more).
Non-square pixels are not stretched. A cover picture inside an audio file is not a video. An animated GIF is a video,
any other animated picture is its first frame.
Not caught here: damage behind the first frame; decode finds it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, cast

from shards.base.printing import PrintableError
from shards.read.sample import MediaFacts

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

    from shards.media.partial import PartialMedium

VIDEO_EXTENSIONS = ("mp4", "webm", "mkv", "avi", "mov", "m4v", "mpg", "mpeg", "ts", "flv", "ogv", "ogg", "3gp", "wmv")
IMAGE_EXTENSIONS = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "avif")
FRAMES_EXTENSIONS = ("zip",)
"""Of frame samples, shards/media/frames.py."""
MEDIA_EXTENSIONS = VIDEO_EXTENSIONS + IMAGE_EXTENSIONS + FRAMES_EXTENSIONS

MAX_SIDE = 16384
MAX_PIXELS = 80_000_000
"""Limits of a picture, pixels."""
MAX_VIDEO_PIXELS = 36_000_000
"""Limit of a frame of a video, pixels; 8K has 35 million. A decoder may hold 17 of them."""

_SHORT_FRAMES, _SHORT_SHARE = 2, 0.02

_SEEKABLE = "mov,matroska"
SEEKABLE_EXTENSIONS = ("mp4", "m4v", "mov", "3gp", "mkv", "webm")
SEEKABLE_CODECS = ("h264", "hevc", "vp8", "vp9", "av1", "mpeg4")
"""Formats that say where a frame lies, so that it is found without reading all before it, and codecs whose decoders
give a frame for every packet; decode/seek.py says what else must be true."""
_DEMUXERS = "mov,matroska,avi,mpegts,mpeg,mpegvideo,ogg,flv,gif,asf,mp3"
_STRICT = {"err_detect": "crccheck+bitstream+buffer+explode"}
"""What is damaged is an error then, where decoders would show something that looks like the frame."""
_LENIENT_CODECS = ("h264",)
"""Codecs in which it would also be an error that a key frame in an open GOP gives up pictures from before it."""
_NO_PROBE = {"codec_whitelist": "none", "probesize": "32"}
# FFmpeg then opens no decoder of its own (ours it does not ask) and reads no further than the first packet.


class MediaError(PrintableError, ValueError):
    """Bytes that cannot be used as a video or picture; the message is the reason."""


def tolerated_loss(promised: int) -> int:
    """Frames that a stream may end too early: containers promise a frame or two that never come."""
    return max(_SHORT_FRAMES, int(_SHORT_SHARE * promised))


class Orientation(NamedTuple):
    """How a stored frame is turned for display: mirrored left to right first, then quarter turns anticlockwise."""

    mirror: bool = False
    quarter_turns: int = 0

    @property
    def swaps_sides(self) -> bool:
        return self.quarter_turns % 2 == 1


class KeyFrame(NamedTuple):
    """A place where decoding can start."""

    number: int
    """Of the frame, in presentation order."""
    time: float
    """Seconds on the clock of the stream, as start_time of the facts."""
    offset: int
    """Byte of its packet in the file; -1 where the container does not say; TIME_MARK for a frame that is no key frame
    and is listed for its time."""


TIME_MARK = -2


def kind_of(ext: str) -> str:
    """What a medium with this extension is by its name: "video", "image" or "frames"."""
    ext = ext.rpartition(".")[2]
    return "video" if ext in VIDEO_EXTENSIONS else "frames" if ext in FRAMES_EXTENSIONS else "image"


def probe(data: bytes, name: str) -> MediaFacts:
    """Read the facts of a medium. The extension of the file name says what kind it is. Raises MediaError."""
    return probe_key_frames(data, name)[0]


def probe_key_frames(data: bytes, name: str) -> tuple[MediaFacts, list[KeyFrame]]:
    """The facts of a medium and its key frames in presentation order, found by demuxing; none for pictures."""
    facts, table = probe_table(data, name)
    return facts, [frame for frame in table if frame.offset != TIME_MARK]


def probe_table(data: bytes, name: str) -> tuple[MediaFacts, list[KeyFrame]]:
    """The same with what an index has besides in its GOP tables: time marks, where frames last unequally long
    (shards/media/videos/time_marks.py)."""
    ext = name.rsplit(".", 1)[-1].lower()
    if ext not in MEDIA_EXTENSIONS:
        raise MediaError(f"unknown extension {ext!r}; known: {', '.join(MEDIA_EXTENSIONS)}")
    if not data:
        raise MediaError("is empty (0 bytes)")
    from shards.media.pictures.picture import is_animated, probe_image
    from shards.media.videos.video_facts import probe_video, with_marks

    if ext in VIDEO_EXTENSIONS or (ext == "gif" and is_animated(data)):
        return probe_video(data)
    if ext in FRAMES_EXTENSIONS:
        from shards.media.frames import FramePictures, probe_frames

        facts = probe_frames(data)
        return facts, with_marks([], FramePictures(data).times, facts.duration)
    return probe_image(data), []


# ---------------------------------------------------------------- video


@contextmanager
def open_video(data: bytes | PartialMedium, probe: bool = True) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a container in memory and choose its default video stream (else the first), one codec thread.

    probe: let FFmpeg decode a first frame to find out what the header does not say; False saves the time of that
    frame, and streams that do not tell how far their frames are reordered may lose frames; damage is then an error
    where it would else be shown as well as can be.
    Whatever goes wrong inside the block because of the data leaves it as MediaError. A PartialMedium is refused where
    it would have to be read whole to be opened.
    """
    import av
    from av.container import InputContainer

    from shards.media.partial import PartialMedium
    from shards.media.videos.mp4 import check_sample_counts

    partial = isinstance(data, PartialMedium)
    file = data.open() if isinstance(data, PartialMedium) else io.BytesIO(data)
    size = data.size if isinstance(data, PartialMedium) else len(data)
    try:
        check_sample_counts(file, whole=not partial)
    except ValueError as error:
        raise MediaError(f"not a video: {error}") from error
    file.seek(0)
    options = {"format_whitelist": _SEEKABLE if partial else _DEMUXERS, "protocol_whitelist": "none"}
    with video_errors("not a video"):
        container = av.open(
            file,
            options=options if probe else options | _NO_PROBE,
            metadata_errors="replace",
            buffer_size=min(max(size, 4096), 1 << 15 if partial else 1 << 18),
        )
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
    """Turn what FFmpeg says about bad data into MediaError."""
    from av import FFmpegError

    try:
        yield
    except FFmpegError as error:
        raise MediaError(f"{what}: {error.strerror or error}") from error


def check_size(width: int, height: int, max_pixels: int = MAX_PIXELS) -> None:
    """Refuse frames that would take too much memory."""
    if width > MAX_SIDE or height > MAX_SIDE or width * height > max_pixels:
        raise MediaError(f"{width}x{height} pixels are too many; limits: {MAX_SIDE} a side, {max_pixels} in all")


def gives_frame(packet: Packet, codec: str) -> bool:
    """Whether decoding a packet will show a frame, as far as can be said without decoding."""
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


def orientation(frame: VideoFrame) -> Orientation:
    """What the display matrix of a decoded frame asks for, to the nearest quarter turn."""
    import math

    import numpy as np

    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return Orientation()
    a, b, _, c, d = (int(value) for value in np.frombuffer(cast("bytes", matrix), "<i4", 5))
    mirror = a * d - b * c < 0
    if mirror:
        a, b = -a, -b
    # The matrix takes (1, 0), one pixel to the right, to (a, b); y points down.
    return Orientation(mirror, round(math.atan2(-b, a) / (math.pi / 2)) % 4)
