"""Frames that a decoder loses in silence, noticed by the times of packets."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

from shards.base.errors import PrintableError
from shards.media.videos.video import gives_frame

if TYPE_CHECKING:
    from av import Packet, VideoFrame


class Miscounted(PrintableError):
    """A decoder has given another frame than the next one by the times of the packets."""


class Order:
    """The order of showing by the times of packets, to find out in linear decoding that a frame was lost in silence."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, int]] = []
        """(part of a joined stream, time) of packets whose frames have not come."""
        self._part = 0
        self._newest: int | None = None

    def note(self, packet: Packet, codec: str) -> None:
        """Of each packet, before it is decoded."""
        if self._newest is not None and packet.dts is not None and packet.dts < self._newest:
            self._part += 1
        self._newest = self._newest if packet.dts is None else packet.dts
        if packet.pts is not None and gives_frame(packet, codec):
            heappush(self._waiting, (self._part, packet.pts))

    def compare(self, frame: VideoFrame, number: int) -> None:
        """Of each frame that is shown. Raises Miscounted."""
        while number == 0 and self._waiting and self._waiting[0][1] != frame.pts:
            heappop(self._waiting)  # what is shown before the first frame is not
        if not self._waiting or heappop(self._waiting)[1] != frame.pts:
            raise Miscounted(f"frame {number} has another time than the next packet")
