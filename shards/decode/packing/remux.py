"""Write a video anew for GPU decoders: one stream in a container of ours, its frames numbered as ours are.

DALI trusts containers. It writes past its buffers where one says another size than its stream has (a crash), counts
packets that never become a frame, knows no rotation and no second video stream, and its seeks lose count behind the key
frame of an open GOP. So the packets are demuxed here, checked, and put into a Matroska file in memory whose time stamps
are the frame numbers, of the groups of pictures that hold planned frames (groups.py); no picture but the first is
decoded. 3 to 9 ms for a clip of 300 frames.
Promises: a remuxed video has the frames that linear decoding on the CPU gives, under the same numbers, as far as its
packets tell; all have one size, the container's, which is also the size that H.264 and HEVC are coded with
(coded_size.py): what is shown of it is the window. Every other one is Unsuitable; the CPU decoder decides what it is.
Not seen here: AV1 frames whose size differs from their sequence's (frame_size_override), and damage inside packets. A
decoder that hides it (NVDEC does) shows damaged frames; the checksums of the index are there for that.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Iterable, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from shards.base.errors import MediaError
from shards.decode.decoder import Unsuitable
from shards.decode.packing.coded_size import Window, shown_window
from shards.decode.packing.groups import needed
from shards.decode.packing.matroska import TICKS, with_size
from shards.decode.packing.nvdec import Limits
from shards.decode.packing.stream_headers import check_one_size
from shards.decode.packing.units import begun_anew, length_bytes
from shards.media.limits import MAX_VIDEO_PIXELS, check_size
from shards.media.pictures.transparency import has_alpha
from shards.media.rotation import Orientation
from shards.media.videos.shown import Screen
from shards.media.videos.timeline import Stamp, timeline
from shards.media.videos.video import demux, gives_frame, open_video

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.video.stream import VideoStream

CPU_CODECS = ("vp8", "vp9", "mjpeg")
GPU_CODECS = ("h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mjpeg")
"""Codecs that DALI 2.4 decodes (the docstring of fn.decoders.video; docs/facts/environment.md section 2)."""

_NO_CROP = "crop_left=0:crop_right=0:crop_top=0:crop_bottom=0"
_PICTURE = b"\0\0\1\xb6"
"""What a picture of MPEG-4 begins with."""
_SPREAD = 16
"""Frames by which decoding may be ahead of showing."""
_BT601 = (2, 5, 6)
COLOURS = {**dict.fromkeys(_BT601, (0.299, 0.114)), 1: (0.2126, 0.0722), 9: (0.2627, 0.0593)}
"""Shares of red and blue in luma, by the number of the colour space; 2, unspecified, is taken for BT.601 by FFmpeg."""


class Remuxed(NamedTuple):
    """A video as DALI is given it."""

    data: bytes
    frames: tuple[int, ...]
    """The numbers under which it finds the planned frames."""
    colour: tuple[float, float]
    """Shares of red and blue in luma; DALI knows those of BT.601 only."""
    window: Window
    """What is to be cut out of the frames that DALI gives."""
    starts: tuple[int, ...] = ()
    """The numbers of the frames from which decoding may begin, whatever other packets are marked as key frames."""


def remux(
    media: bytes,
    planned: Sequence[int],
    gpu: bool,
    limits: Callable[[str], Limits | None] | None = None,
    codecs: Collection[str] | None = None,
) -> Remuxed:
    """Check a video and write it anew for DALI on a GPU or on the CPU. Raises Unsuitable.

    limits: gives what the GPU takes of a codec, None where it has no decoder for it. codecs: those to take where
    another decoder than DALI gets the video.
    """
    try:
        with open_video(media) as (container, stream):
            codec = stream.codec_context.codec.canonical_name
            if codec not in (codecs or (GPU_CODECS if gpu else CPU_CODECS)):
                raise Unsuitable("codec", codec)
            taken = None if limits is None else limits(codec)
            if limits is not None and taken is None:
                raise Unsuitable("codec", f"{codec}, for which this GPU has no decoder")
            packets, first = _collect(demux(container, stream), stream)
            size = _check_first(first, gpu)
            packets = check_one_size(packets, codec, stream, size)
            packets, ranks, frames, starts = _number(packets, codec, stream, first, planned)
            window = _window(codec, stream, size)
            if taken is not None and (why := taken.why_not(window.coded)) is not None:
                raise Unsuitable("limits", f"{codec}: {why}")
            if gpu and (window.coded[0] % 2 or window.coded[1] % 2):
                raise Unsuitable("odd size", f"{size[0]}x{size[1]}")  # its colours would come from a wrong line
            data = _write(packets, ranks, stream, codec, window)
            return Remuxed(data, frames, COLOURS[int(first.colorspace)], window, starts)
    except MediaError as error:
        raise Unsuitable("damaged", str(error)) from error


def _collect(demuxed: Iterable[Packet], stream: VideoStream) -> tuple[list[Packet], VideoFrame]:
    """All packets that hold a frame, and the first frame that is shown."""
    screen = Screen(stream)
    packets: list[Packet] = []
    first: VideoFrame | None = None
    for packet in demuxed:
        if first is None:
            first = next(iter(screen.feed(packet)), None)
        if packet.size == 0:
            continue
        if not gives_frame(packet, screen.codec):
            raise Unsuitable("hidden frames")  # DALI would count them
        if packet.is_corrupt:
            raise Unsuitable("damaged", "a packet is marked as corrupt")
        packets.append(packet)
    if first is None:
        raise Unsuitable("damaged", "no frame can be decoded")
    return packets, first


def _check_first(first: VideoFrame, gpu: bool) -> tuple[int, int]:
    """Refuse what DALI would show wrong, by the first frame; returns its (width, height)."""
    size = (first.width, first.height)
    if Orientation.of(first) != Orientation():
        raise Unsuitable("rotation")
    if first.interlaced_frame:
        raise Unsuitable("interlaced")
    if int(first.colorspace) not in COLOURS:
        raise Unsuitable("colour space", str(first.colorspace))
    if (gpu and first.format.name not in ("yuv420p", "yuvj420p")) or has_alpha(first):
        raise Unsuitable("pixel format", first.format.name)
    return size


def _window(codec: str, stream: VideoStream, size: tuple[int, int]) -> Window:
    """The window of the coded pictures that is shown. The other codecs say only what is shown."""
    if codec not in ("h264", "hevc"):
        return Window(size, 0, 0, *size)
    try:
        window = shown_window(codec, stream.codec_context.extradata or b"")
        check_size(*window.coded, MAX_VIDEO_PIXELS)
    except ValueError as error:
        raise Unsuitable("damaged", str(error)) from error
    if not (window.left or window.top) and all(
        0 <= said - shown < 16 for said, shown in zip(window[3:], size, strict=True)
    ):
        return Window(window.coded, 0, 0, *size)  # FFmpeg shows what the container says, if it is a little less
    if (window.width, window.height) != size:
        raise Unsuitable("size", f"the headers say {window.width}x{window.height}, the first frame is {size}")
    return window


def _number(
    packets: list[Packet], codec: str, stream: VideoStream, first: VideoFrame, planned: Sequence[int]
) -> tuple[list[Packet], list[int], tuple[int, ...], tuple[int, ...]]:
    """The packets to keep, the number of each in the new file, and as numbers there the planned frames and those at
    which a group of pictures begins."""
    tick = float(stream.time_base or 0)
    avcc_bytes = length_bytes(codec, stream.codec_context.extradata or b"") if codec == "h264" else None
    times = [packet.pts for packet in packets]
    if any(time is None for time in times) or len(set(times)) < len(times):
        raise Unsuitable("time stamps", "missing or twice the same")
    if timeline([Stamp(packet.pts, packet.dts, packet.is_keyframe, -1, 0) for packet in packets], tick, 0.0).mended:
        raise Unsuitable("time stamps", "run backwards, or far ahead")
    whole = _ranks(times)
    if codec == "mpeg4" and any(bytes(packet).count(_PICTURE) > 1 for packet in packets):
        raise Unsuitable("time stamps", "two pictures in a packet, each with the time of the other")
    if not packets[0].is_keyframe or whole[0] != 0 or first.pts != times[0]:
        raise Unsuitable("open GOP", "the stream does not begin with a key frame")
    if max(planned) >= len(packets):
        raise Unsuitable("short", f"frame {max(planned)} of {len(packets)}")
    leading: set[int] = set()
    if codec != "h264":  # in H.264 DALI takes no key frame that other frames are shown before
        key = 0
        for place, packet in enumerate(packets):
            if packet.is_keyframe:
                key = place
            elif whole[place] < whole[key]:
                leading.add(place)
    wanted = set(planned)
    if any(whole[place] in wanted for place in leading):
        raise Unsuitable("open GOP", "a planned frame is shown before the key frame that it follows")
    kept = [place for place in range(len(packets)) if place not in leading]
    groups = needed(packets, kept, whole, wanted, avcc_bytes)
    kept = [place for group in groups for place in group]
    if codec == "hevc":
        _begin_anew(packets, kept, length_bytes(codec, stream.codec_context.extradata or b""))
    ranks = _ranks([whole[place] for place in kept])
    at = {whole[place]: rank for place, rank in zip(kept, ranks, strict=True)}
    starts = sorted(at[whole[group[0]]] for group in groups)
    return [packets[place] for place in kept], ranks, tuple(at[number] for number in planned), tuple(starts)


def _begin_anew(packets: list[Packet], kept: Sequence[int], num_bytes: int) -> None:
    """Have key frames say so in front of which packets are left out."""
    from av import Packet

    for before, place in pairwise(kept):
        if place > before + 1 and packets[place].is_keyframe:
            old, new = packets[place], Packet(begun_anew(bytes(packets[place]), "hevc", num_bytes))
            new.pts, new.dts, new.time_base, new.is_keyframe = old.pts, old.dts, old.time_base, old.is_keyframe
            packets[place] = new


def _ranks(times: Sequence[int | None]) -> list[int]:
    """The rank of each time in the sorted order."""
    order = sorted(range(len(times)), key=times.__getitem__)  # type: ignore[arg-type]
    ranks = [0] * len(times)
    for rank, place in enumerate(order):
        ranks[place] = rank
    return ranks


def _write(packets: list[Packet], ranks: list[int], stream: VideoStream, codec: str, window: Window) -> bytes:
    """The file, whose headers say that the whole coded pictures are shown."""
    import av
    from av import BitStreamFilterContext, FFmpegError

    buffer, size = io.BytesIO(), (window.width, window.height)
    is_cut = window.coded != size
    try:
        # Without checksums of its parts, because the size may be changed afterwards.
        with av.open(buffer, "w", format="matroska", options={"write_crc32": "0"}) as out:
            copy = out.add_stream_from_template(stream, opaque=True)
            if (copy.width, copy.height) != size:
                raise Unsuitable("size", f"the container says {copy.width}x{copy.height}, the first frame is {size}")
            if is_cut:
                whole = BitStreamFilterContext(f"{codec}_metadata={_NO_CROP}", copy, copy)
                # What it writes has start codes, so the others must have them as well.
                has_lengths = length_bytes(codec, stream.codec_context.extradata or b"") > 0
                plain = BitStreamFilterContext(f"{codec}_mp4toannexb" if has_lengths else "null", stream)
                packets = [(whole if one.is_keyframe else plain).filter(one)[0] for one in packets]
            copy.time_base = Fraction(1, 1000)
            for place, (packet, rank) in enumerate(zip(packets, ranks, strict=True)):
                packet.stream = copy
                packet.time_base = Fraction(1, 1000)
                packet.pts, packet.dts = rank * TICKS, (place - _SPREAD) * TICKS
                packet.duration = TICKS
                out.mux_one(packet)
    except FFmpegError as error:
        raise Unsuitable("damaged", f"cannot be written anew: {error.strerror}") from error
    try:
        return with_size(buffer.getvalue(), window.coded) if is_cut else buffer.getvalue()
    except ValueError as error:
        raise Unsuitable("size", str(error)) from error
