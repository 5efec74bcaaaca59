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


class FrameOrder:
    """The frames expected by the times of packets, compared with those that a decoder gives."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, int]] = []
        """(segment of a joined stream, time) of packets whose frames have not come."""
        self._segment = 0
        self._newest: int | None = None

    def note(self, packet: Packet, codec: str) -> None:
        """Note a packet before it is decoded."""
        if self._newest is not None and packet.dts is not None and packet.dts < self._newest:
            self._segment += 1
        self._newest = self._newest if packet.dts is None else packet.dts
        if packet.pts is not None and gives_frame(packet, codec):
            heappush(self._waiting, (self._segment, packet.pts))

    def compare(self, frame: VideoFrame, number: int) -> None:
        """Compare a frame that is shown with the next one by time. Raises Miscounted."""
        while number == 0 and self._waiting and self._waiting[0][1] != frame.pts:
            heappop(self._waiting)  # frames before the first that is shown
        if not self._waiting or heappop(self._waiting)[1] != frame.pts:
            raise Miscounted(f"frame {number} has another time than the next packet")
