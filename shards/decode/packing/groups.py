"""Which packets a clip needs: those of the groups of pictures (GOPs) that hold its frames."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import TYPE_CHECKING

from shards.decode.packing.units import IDR, type_of, units

if TYPE_CHECKING:
    from av import Packet


def needed(
    packets: Sequence[Packet], places: Sequence[int], shown: Sequence[int], wanted: Set[int], avcc_bytes: int | None
) -> list[list[int]]:
    """The groups that the wanted frames can be decoded from, in decoding order: the places of their packets.

    places: of the packets that may be kept, the first one a key frame. shown: the number of each packet's frame in the
    order of showing; wanted: such numbers. avcc_bytes: None: not H.264; else the bytes of the length in front of each
    unit, 0 where there are start codes.
    """
    groups: list[list[int]] = []
    for place in places:
        if not groups or _begins_group(packets[place], avcc_bytes):
            groups.append([])
        groups[-1].append(place)
    kept: list[list[int]] = []
    is_needed = False
    for group in reversed(groups):
        if is_needed or any(shown[place] in wanted for place in group):
            kept.append(group)
            # A frame that is shown before the key frame it follows refers to the group before.
            is_needed = any(shown[place] < shown[group[0]] for place in group)
    return kept[::-1]


def _begins_group(packet: Packet, avcc_bytes: int | None) -> bool:
    """True if nothing behind it refers to what lies before it. In H.264 a key frame may as well be one from which a
    picture is built up over several frames, or one inside an open GOP: only IDR pictures are sure."""
    if not packet.is_keyframe or avcc_bytes is None:
        return packet.is_keyframe
    return any(type_of(unit, "h264") == IDR for unit in units(bytes(packet), avcc_bytes))
