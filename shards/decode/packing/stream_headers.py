"""Check that all frames of a stream have one size, as DALI takes for granted.

VP8, VP9 and MJPEG say the size in their frames (frame_sizes.py); the other codecs say it in headers that may be
repeated, and these must be those of the container.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shards.decode.decoder import Unsuitable
from shards.decode.packing.frame_sizes import SIZES
from shards.decode.packing.units import PARAMETERS, length_bytes, type_of, units

if TYPE_CHECKING:
    from av import Packet
    from av.video.stream import VideoStream


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
    if codec in PARAMETERS and (num_bytes := length_bytes(codec, extradata)):
        for packet in packets:
            if packet.is_keyframe:
                headers.update(
                    unit for unit in units(bytes(packet), num_bytes) if type_of(unit, codec) == PARAMETERS[codec]
                )
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
