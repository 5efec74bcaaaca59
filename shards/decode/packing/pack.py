"""Pack the planned frames of an indexed MP4 for GPU decoders: the groups that hold them, in a file of our own.

The GOP table of the index says that somebody has opened the video, decoded its first frame and counted the others, so a
clip needs no demuxer and no decoder here, but only its tables, its headers and the packets of a few groups (0.2 to 0.5
ms of CPU, a tenth of what remux.py takes; the file is that which remux.py makes, but for its container's fields).
Promises: as those of remux.py; of a video that was fetched in part no more is fetched than the planned frames need.
None where any table is not of the plainest kind: remux.py then looks at the packets and the first frame.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from itertools import pairwise

import numpy as np

from shards.base.errors import MediaError
from shards.decode.decoder import Unsuitable
from shards.decode.packing.matroska import Packet, write
from shards.decode.packing.mp4_samples import Samples, read_samples
from shards.decode.packing.nvdec import Limits
from shards.decode.packing.plain_header import PlainHeader, plain_header
from shards.decode.packing.remux import COLOURS, CPU_CODECS, GPU_CODECS, Remuxed, remux
from shards.decode.packing.units import IDR, PARAMETERS, begun_anew, is_turned, type_of, units
from shards.media.medium import Media, whole
from shards.media.partial import PartialMedium

PACKED_CODECS = {"h264", "hevc"}
Slot = Callable[[], AbstractContextManager[None]]
"""Gives a context in which a thread may use the CPU; bytes are fetched outside of it."""


def pack(
    media: PartialMedium,
    planned: Sequence[int],
    limits: Callable[[str], Limits | None] | None = None,
    using_cpu: Slot = nullcontext,
) -> Remuxed | None:
    """Pack the frames of a plan; None: not of a kind that can be packed. Raises Unsuitable, MediaError, SourceError.

    limits: gives what the GPU takes of a codec, None where it has no decoder for it.
    """
    media.bring(planned)
    try:
        with using_cpu():
            return _pack(media, planned, limits)
    except (ValueError, KeyError, struct.error):  # tables of another kind, or damaged: FFmpeg says which
        return None


def packed(
    media: Media,
    planned: Sequence[int],
    gpu: bool,
    limits: Callable[[str], Limits | None] | None = None,
    codecs: Collection[str] | None = None,
    using_cpu: Slot = nullcontext,
) -> Remuxed:
    """Pack the frames of a plan where that can be done, else write the whole video anew, see `remux`.

    Raises Unsuitable, MediaError, SourceError.
    """
    taken = codecs or (GPU_CODECS if gpu else CPU_CODECS)
    if isinstance(media, PartialMedium) and set(taken) >= PACKED_CODECS:
        found = pack(media, planned, limits, using_cpu)
        if found is not None:
            return found
    data = whole(media)
    with using_cpu():
        return remux(data, planned, gpu, limits, codecs)


def _pack(
    media: PartialMedium, planned: Sequence[int], limits: Callable[[str], Limits | None] | None
) -> Remuxed | None:
    samples = read_samples(lambda start, length: _read(media, start, length), media.size)
    header = plain_header(samples.codec, samples.extradata)
    if header is None or samples.size != header.window[3:]:
        return None
    colours = samples.colours if header.colours == 2 else header.colours
    if colours not in COLOURS:
        return None
    if limits is not None:
        taken = limits(samples.codec)
        if taken is None:
            raise Unsuitable("codec", f"{samples.codec}, for which this GPU has no decoder")
        if (why := taken.why_not(header.window.coded)) is not None:
            raise Unsuitable("limits", f"{samples.codec}: {why}")
    _check_numbers(media, samples)
    packets = _packets(media, samples, header, planned)
    if packets is None:
        return None
    at = {number: place for place, number in enumerate(sorted(packets))}
    data = write(
        samples.codec,
        header.headers,
        header.window.coded,
        [Packet(at[number], is_key, data) for number, (is_key, data) in packets.items()],
    )
    starts = sorted(at[number] for number, (is_key, _) in packets.items() if is_key)
    frames = tuple(at[number] for number in planned)
    return Remuxed(data, frames, COLOURS[colours], header.window, tuple(starts))


def _check_numbers(media: PartialMedium, samples: Samples) -> None:
    """Raise ValueError unless the container numbers its key frames as the index does."""
    numbers, _, offsets = media.key_frames
    place = np.searchsorted(samples.offsets, offsets)
    if (np.diff(samples.offsets) <= 0).any() or int(place.max()) >= len(samples.offsets):
        raise ValueError("samples are not in the order of decoding")
    if not np.array_equal(samples.offsets[place], offsets) or not np.array_equal(samples.ranks[place], numbers):
        raise ValueError("key frames have other numbers than in the index")


def _packets(
    media: PartialMedium, samples: Samples, header: PlainHeader, planned: Sequence[int]
) -> dict[int, tuple[bool, bytes]] | None:
    """The packets to keep in decoding order, by the number of their frame: (begins a group, bytes)."""
    if max(planned) >= len(samples.ranks):
        raise Unsuitable("short", f"frame {max(planned)} of {len(samples.ranks)}")
    place_of = np.argsort(samples.ranks)
    begins = cache(lambda place: _begins_group(media, samples, header, place))
    last_of: dict[int, int] = {}  # where a group begins -> the last place in it that is needed
    keys = samples.keys.tolist()
    for number in set(planned):
        place = int(place_of[number])
        at = bisect_right(keys, place) - 1
        while at >= 0 and (samples.ranks[keys[at]] > number or not begins(keys[at])):
            if samples.codec == "hevc":
                return None  # shown before the key frame that it follows
            at -= 1
        if at < 0:
            return None
        last_of[keys[at]] = max(place, last_of.get(keys[at], 0))
    kept: dict[int, tuple[bool, bytes]] = {}
    runs = sorted(last_of.items())
    if any(last >= following for (_, last), (following, _) in pairwise(runs)):
        return None  # a group without a sure beginning, and one inside it
    ranks = samples.ranks.tolist()
    for first, last in runs:
        start, stop = int(samples.offsets[first]), int(samples.offsets[last] + samples.sizes[last])
        data = memoryview(_read(media, start, stop - start))
        places = zip(samples.offsets[first : last + 1].tolist(), samples.sizes[first : last + 1].tolist(), strict=True)
        for place, (offset, size) in enumerate(places, first):
            if ranks[place] < ranks[first]:
                continue  # shown before the key frame, and maybe refers to what is before it
            packet = bytes(data[offset - start : offset - start + size])
            if place == first:
                packet = begun_anew(packet, samples.codec, header.length_bytes)
            kept[ranks[place]] = (place == first, packet)
    return kept


def _begins_group(media: PartialMedium, samples: Samples, header: PlainHeader, place: int) -> bool:
    """True if nothing behind a key frame refers to what lies before it. Raises ValueError for one that changes how
    frames are coded or turned."""
    packet = _read(media, int(samples.offsets[place]), int(samples.sizes[place]))
    is_sure = samples.codec == "hevc"
    for unit in units(packet, header.length_bytes):
        kind = type_of(unit, samples.codec)
        if kind == PARAMETERS[samples.codec] and unit not in samples.extradata:
            raise ValueError("a key frame has headers of its own")
        if is_turned(unit, samples.codec):
            raise ValueError("frames are turned")
        is_sure = is_sure or kind == IDR
    return is_sure


def _read(media: PartialMedium, start: int, length: int) -> bytes:
    """Exactly these bytes of a medium."""
    data = media.read(start, length)
    while len(data) < length:
        more = media.read(start + len(data), length - len(data))
        if not more:
            raise MediaError(f"ends at byte {start + len(data)}")
        data += more
    return data
