"""Check that all frames of a stream have one size, as DALI takes for granted.

VP8, VP9 and MJPEG say the size in their frames (frame_sizes.py); the other codecs say it in headers that may be
repeated, and these must be those of the container.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from shards.decode.dali.frame_sizes import SIZES
from shards.decode.decoder import Unsuitable

if TYPE_CHECKING:
    from av import Packet
    from av.video.stream import VideoStream


_SEQUENCE_HEADER = {"h264": (0, 0x1F, 7), "hevc": (1, 0x3F, 33)}
"""Shift and mask that give the type of a unit from its first byte, and the type of a sequence parameter set."""


def check_one_size(packets: list[Packet], codec: str, stream: VideoStream, size: tuple[int, int]) -> list[Packet]:
    """Refuse a stream whose frames change their size; returns the packets, maybe as new objects."""
    if codec in SIZES:
        for packet in packets:
            try:
                other = next((found for found in SIZES[codec](bytes(packet)) if found != size), size)
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
