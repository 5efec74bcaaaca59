"""A video as DALI may see it: one stream in a container that we wrote, its frames numbered as ours are.

DALI believes containers. It writes past its buffers where one says another size than its stream has (a crash), counts
packets that never become a frame, knows no rotation and no second video stream, and its seeks lose count behind the key
frame of an open GOP. So the packets are demuxed here, checked, and put into a Matroska file in memory whose time stamps
are the frame numbers; no picture but the first is decoded. 1 to 3 ms for a clip of 300 frames.
Promises: a remuxed video has the frames that linear decoding on the CPU gives, under the same numbers, as far as its
packets tell; all have one size, the container's. Every other one is Unsuitable; the CPU decoder decides what it is.
Not seen here: AV1 frames whose size differs from their sequence's (frame_size_override), and damage inside packets. A
decoder that hides it (NVDEC does) shows damaged frames; the checksums of the index are there for that.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from shards.base.errors import MediaError, PrintableError
from shards.media.kinds import Orientation
from shards.media.videos.shown import Screen
from shards.media.videos.timeline import Stamp, timeline
from shards.media.videos.video import demux, gives_frame, open_video, orientation

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.video.stream import VideoStream

CPU_CODECS = ("vp8", "vp9", "mjpeg")
GPU_CODECS = ("h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mjpeg")
"""What DALI 2.4 decodes (the docstring of fn.decoders.video; docs/facts/environment.md section 2)."""

_HEADERS_INSIDE = ("h264", "hevc", "av1", "mpeg4")
"""Codecs whose size is in headers that may come again; VP8, VP9 and MJPEG say it in their frames."""
_SEQUENCE_HEADER = {"h264": (0, 0x1F, 7), "hevc": (1, 0x3F, 33)}
"""Where the first byte of a unit says its kind (shift, mask), and which is a sequence parameter set."""
_TICKS = 40
"""Milliseconds between frames: Matroska counts those."""
_SPREAD = 16
"""Frames by which decoding may be ahead of showing."""
_BT601 = (2, 5, 6)
COLOURS = {**dict.fromkeys(_BT601, (0.299, 0.114)), 1: (0.2126, 0.0722), 9: (0.2627, 0.0593)}
"""Shares of red and blue in luma, by the number of the colour space; 2, unspecified, is taken for BT.601 by FFmpeg."""


class Unsuitable(PrintableError):
    """A medium that is left to the CPU decoder: `reason` is one of a few words that are counted, the text says more."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class Remuxed(NamedTuple):
    """What DALI is given."""

    data: bytes
    frames: tuple[int, ...]
    """The numbers under which it finds the planned frames."""
    colour: tuple[float, float]
    """Shares of red and blue in luma; DALI knows those of BT.601 only."""


def remux(media: bytes, planned: Sequence[int], gpu: bool) -> Remuxed:
    """Check a video and write it anew for DALI on a GPU or on the CPU. Raises Unsuitable."""
    try:
        with open_video(media) as (container, stream):
            codec = stream.codec_context.codec.canonical_name
            known = GPU_CODECS if gpu else CPU_CODECS
            if codec not in known:
                raise Unsuitable("codec", codec)
            packets, first = _collect(demux(container, stream), stream)
            size = _check_first(first, gpu)
            packets = _check_headers(packets, codec, stream, size)
            packets, ranks, frames = _number(packets, codec, float(stream.time_base or 0), first, planned)
            return Remuxed(_write(packets, ranks, stream, size), frames, COLOURS[int(first.colorspace)])
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
    """What the first frame says of all; returns its (width, height)."""
    size = (first.width, first.height)
    if orientation(first) != Orientation():
        raise Unsuitable("rotation")
    if first.interlaced_frame:
        raise Unsuitable("interlaced")
    if int(first.colorspace) not in COLOURS:
        raise Unsuitable("colour space", str(first.colorspace))
    if gpu and first.format.name not in ("yuv420p", "yuvj420p"):
        raise Unsuitable("pixel format", first.format.name)
    if gpu and (size[0] % 2 or size[1] % 2):
        raise Unsuitable("odd size", f"{size[0]}x{size[1]}")  # its colours would come from a wrong line
    return size


def _check_headers(packets: list[Packet], codec: str, stream: VideoStream, size: tuple[int, int]) -> list[Packet]:
    """Refuse a stream whose frames change their size; returns the packets, maybe as new objects."""
    if codec not in _HEADERS_INSIDE:
        sizes = {"vp8": _vp8_sizes, "vp9": _vp9_sizes, "mjpeg": _jpeg_sizes}[codec]
        for packet in packets:
            try:
                other = next((found for found in sizes(bytes(packet)) if found != size), size)
            except (IndexError, ValueError) as error:
                raise Unsuitable("damaged", f"a frame has no header: {error}") from error
            if other != size:
                raise Unsuitable("size", f"changes from {size} to {other}")
        return packets
    if any(packet.has_sidedata("new_extradata") for packet in packets):
        raise Unsuitable("size", "the container changes the stream's headers")
    extradata = stream.codec_context.extradata or b""
    headers: set[bytes] = set()
    if codec in _SEQUENCE_HEADER and extradata[:1] == b"\x01":  # avcC or hvcC: units with their lengths in front
        length_bytes = (extradata[{"h264": 4, "hevc": 21}[codec]] & 3) + 1
        for packet in packets:
            if packet.is_keyframe:
                headers.update(_sequence_headers(bytes(packet), codec, length_bytes))
        headers = {header for header in headers if header not in extradata}
        if headers:
            raise Unsuitable("size", "the stream's headers are not the container's")
        return packets
    from av import BitStreamFilterContext

    extract = BitStreamFilterContext("extract_extradata", stream)
    checked: list[Packet] = []
    for packet in packets:
        if packet.is_keyframe:
            (packet,) = extract.filter(packet)
            if packet.has_sidedata("new_extradata"):
                headers.add(bytes(packet.get_sidedata("new_extradata")))
        checked.append(packet)
    if len(headers) > 1:
        raise Unsuitable("size", "the stream's headers change")
    return checked


def _sequence_headers(packet: bytes, codec: str, length_bytes: int) -> Iterator[bytes]:
    """The sequence parameter sets in a packet of units with their lengths in front."""
    at, (shift, mask, kind) = 0, _SEQUENCE_HEADER[codec]
    while at + length_bytes < len(packet):
        length = int.from_bytes(packet[at : at + length_bytes], "big")
        at += length_bytes
        if packet[at] >> shift & mask == kind:
            yield packet[at : at + length]
        at += length


def _number(
    packets: list[Packet], codec: str, tick: float, first: VideoFrame, planned: Sequence[int]
) -> tuple[list[Packet], list[int], tuple[int, ...]]:
    """The packets to keep, the number of each in the new file, and the planned frames as numbers there."""
    times = [packet.pts for packet in packets]
    if any(time is None for time in times) or len(set(times)) < len(times):
        raise Unsuitable("time stamps", "missing or twice the same")
    if timeline([Stamp(packet.pts, packet.dts, packet.is_keyframe, -1, 0) for packet in packets], tick, 0.0).mended:
        raise Unsuitable("time stamps", "run backwards, or far ahead")
    whole = _ranks(times)
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
    ranks = _ranks([whole[place] for place in kept])
    at = {whole[place]: rank for place, rank in zip(kept, ranks, strict=True)}
    return [packets[place] for place in kept], ranks, tuple(at[number] for number in planned)


def _ranks(times: Sequence[int | None]) -> list[int]:
    """The place of each in the sorted order."""
    order = sorted(range(len(times)), key=times.__getitem__)  # type: ignore[arg-type]
    ranks = [0] * len(times)
    for rank, place in enumerate(order):
        ranks[place] = rank
    return ranks


def _write(packets: list[Packet], ranks: list[int], stream: VideoStream, size: tuple[int, int]) -> bytes:
    import av
    from av import FFmpegError

    buffer = io.BytesIO()
    try:
        with av.open(buffer, "w", format="matroska") as out:
            copy = out.add_stream_from_template(stream, opaque=True)
            if (copy.width, copy.height) != size:
                raise Unsuitable("size", f"the container says {copy.width}x{copy.height}, the first frame is {size}")
            copy.time_base = Fraction(1, 1000)
            for place, (packet, rank) in enumerate(zip(packets, ranks, strict=True)):
                packet.stream = copy
                packet.time_base = Fraction(1, 1000)
                packet.pts, packet.dts = rank * _TICKS, (place - _SPREAD) * _TICKS
                packet.duration = _TICKS
                out.mux_one(packet)
    except FFmpegError as error:
        raise Unsuitable("damaged", f"cannot be written anew: {error.strerror}") from error
    return buffer.getvalue()


# ---------------------------------------------------------------- sizes inside frames


def _vp8_sizes(frame: bytes) -> list[tuple[int, int]]:
    """RFC 6386 section 9.1: key frames say their size."""
    if frame[0] & 1:
        return []
    return [(int.from_bytes(frame[6:8], "little") & 0x3FFF, int.from_bytes(frame[8:10], "little") & 0x3FFF)]


def _jpeg_sizes(frame: bytes) -> list[tuple[int, int]]:
    """The size in the frame header of a JPEG picture (T.81 B.2.2)."""
    at = 2
    while frame[at] == 0xFF:
        marker, length = frame[at + 1], int.from_bytes(frame[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return [(int.from_bytes(frame[at + 7 : at + 9], "big"), int.from_bytes(frame[at + 5 : at + 7], "big"))]
        at += 2 + length
    raise ValueError("no frame header in a JPEG picture")


def _vp9_sizes(packet: bytes) -> list[tuple[int, int]]:
    """Of all frames of a packet; those that take it from a reference say none."""
    found = []
    for start, stop in _vp9_frames(packet):
        size = _vp9_size(packet[start : min(stop, start + 32)])
        if size is not None:
            found.append(size)
    return found


def _vp9_frames(packet: bytes) -> list[tuple[int, int]]:
    """(first byte, byte behind the last) of each frame: VP9 bitstream specification, annex B."""
    marker = packet[-1]
    width, count = (marker >> 3 & 3) + 1, (marker & 7) + 1
    index = 2 + width * count
    if marker >> 5 != 0b110 or len(packet) < index or packet[-index] != marker:
        return [(0, len(packet))]
    frames, start = [], 0
    for number in range(count):
        at = len(packet) - index + 1 + number * width
        stop = start + int.from_bytes(packet[at : at + width], "little")
        if stop > start:
            frames.append((start, stop))
        start = stop
    return frames


class _Bits:
    """Bits of a header, the first of a byte is its highest."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def read(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise ValueError("the header is cut off")
        return self._value >> self._left & (1 << count) - 1


def _vp9_size(frame: bytes) -> tuple[int, int] | None:
    """(width, height) if the frame's header says them: VP9 bitstream specification, 6.2."""
    bits = _Bits(frame)
    if bits.read(2) != 2:
        raise ValueError("not a VP9 frame")
    profile = bits.read(1) | bits.read(1) << 1
    if profile == 3:
        bits.read(1)
    if bits.read(1):  # shows an earlier frame
        return None
    is_key, shown, resilient = not bits.read(1), bits.read(1), bits.read(1)
    if is_key:
        _vp9_colours(bits, profile)
    else:
        intra_only = not shown and bits.read(1)
        if not resilient:
            bits.read(2)
        if intra_only:
            if profile > 0:
                _vp9_colours(bits, profile)
            else:
                bits.read(24)
            bits.read(8)
        else:
            bits.read(8 + 3 * 4)
            if any(bits.read(1) for _ in range(3)):  # as large as a reference
                return None
    return bits.read(16) + 1, bits.read(16) + 1


def _vp9_colours(bits: _Bits, profile: int) -> None:
    """Go past the sync code and the colour configuration."""
    bits.read(24)
    if profile >= 2:
        bits.read(1)
    rgb = bits.read(3) == 7
    if not rgb:
        bits.read(1)
    if profile in (1, 3):
        bits.read(1 if rgb else 3)
