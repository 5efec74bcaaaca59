"""Frames of a video by seeking to the key frames before them, with the GOP table of the index.

Promises: the frames that linear decoding gives for the same numbers, bit for bit, or NotAsIndexed, and then the caller
decodes linearly. The table says where to go; what is found there is believed only if the container confirms it:

- where a seek lands is a key frame of the table, by byte and time;
- its number is that of the container's own index (MP4), or that of its time at the container's constant frame rate
  (Matroska, WebM; one with a variable rate is decoded linearly);
- from there on every packet gives its frame, in presentation order, none missing and none damaged.

Frames of an open GOP that are shown before its key frame come out damaged after a seek; they are decoded from the key
frame before. The first frame of the video is always decoded: encoders leave notes there that decoders need later on.
Given up: if a decoder would drop frames in a part that is not decoded, linear decoding counts fewer frames than the
index and gives later ones. Only formats and codecs that keep these promises are taken.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from shards.media import SEEKABLE_CODECS, decode_packet, demux, gives_frame, open_video, video_errors
from shards.partial import PartialMedium

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream


class NotAsIndexed(Exception):
    """A video in which seeking cannot be trusted."""


def find_frames(media: PartialMedium, wanted: Sequence[int]) -> Iterator[tuple[int, VideoFrame]]:
    """Yield (number, frame) in order: frame 0, the wanted ones (numbers in order), and others on the way.

    Raises NotAsIndexed, MediaError, SourceError.
    """
    with open_video(media) as (container, stream), video_errors("damaged"):
        video = _Video(container, stream, media)
        frames, number = video.from_start(), -1
        for want in wanted if wanted[0] == 0 else (0, *wanted):
            if media.key_frames.frames[video.key_of(want)] > number + 1:
                frames = video.from_key(want)
                number = -1
            while number < want:
                number, frame = next(frames, (-1, None))
                if frame is None:
                    raise NotAsIndexed(f"ends before frame {want}")
                yield number, frame


class _Video:
    def __init__(self, container: InputContainer, stream: VideoStream, media: PartialMedium) -> None:
        from av.stream import Discard

        self._container, self._stream = container, stream
        self._numbers, self._times, self._offsets = media.key_frames
        self._codec = stream.codec_context.codec.canonical_name
        self._tick = float(stream.time_base or 0)
        if self._codec not in SEEKABLE_CODECS or not self._tick:
            raise NotAsIndexed(f"seeking in {self._codec} is not trusted")
        for other in container.streams:
            if other is not stream:
                other.discard = Discard.all
        self._first_time = 0
        self._entries = stream.index_entries if "mov" in container.format.name else None
        if self._entries is not None:
            whole = len(self._entries) == stream.frames
            if not whole or any(entry.is_discard for entry in self._entries):
                raise NotAsIndexed("not all of the container's samples are frames")

    def key_of(self, number: int) -> int:
        """Which key frame of the table is at this frame or before it."""
        return bisect_right(self._numbers, number) - 1

    def from_start(self) -> Iterator[tuple[int, VideoFrame]]:
        """The frames from the first on."""
        packets = demux(self._container, self._stream)
        first, self._first_time = self._key_packet(next(packets, None), 0)
        return self._frames(chain([first], packets), 0, self._first_time)

    def from_key(self, want: int) -> Iterator[tuple[int, VideoFrame]]:
        """The frames from a key frame before this one on."""
        time = self._times[self.key_of(want)]
        # The index holds times as float32: a little more, because seeking gives a key frame at the time or before it.
        self._container.seek(int(np.ceil((time + self._doubt(time)) / self._tick)), stream=self._stream)
        packets = demux(self._container, self._stream)
        packet = next(packets, None)
        there = [] if packet is None else [k for k, offset in enumerate(self._offsets) if offset == packet.pos]
        if not there or self._numbers[there[0]] > want:
            raise NotAsIndexed(f"seeking for frame {want} leads elsewhere")
        first, ticks = self._key_packet(packet, there[0])
        ahead = self._check_number(first, ticks, packets, self._numbers[there[0]])
        return self._frames(chain([first], ahead, packets), self._numbers[there[0]], ticks)

    def _doubt(self, time: float) -> float:
        with np.errstate(over="ignore"):  # a time beyond 32 bits gives nan, which nothing is near to
            return float(np.spacing(np.float32(abs(time))))

    def _key_packet(self, packet: Packet | None, key: int) -> tuple[Packet, int]:
        """The packet and its time in ticks, if it is that of a key frame of the table."""
        time = self._times[key]
        if (
            packet is None
            or packet.pts is None
            or not packet.is_keyframe
            or packet.is_discard
            or packet.pos != self._offsets[key]
            or abs(packet.pts * self._tick - time) > self._doubt(time) + self._tick
        ):
            raise NotAsIndexed(f"key frame {key} is not where the index says")
        return packet, packet.pts

    def _check_number(self, first: Packet, ticks: int, packets: Iterator[Packet], number: int) -> list[Packet]:
        """Compare the number of a key frame with what the container says; returns the packets that this took."""
        if self._entries is None:
            rate = float(self._stream.average_rate or 0)
            if not abs((ticks - self._first_time) * self._tick * rate - number) < 0.5:
                raise NotAsIndexed("the frame rate is not constant")
            return []
        # As many frames are shown before it as are stored before it, and those stored behind it and shown before it.
        ahead: list[Packet] = []
        while not ahead or (ahead[-1].pts is not None and ahead[-1].pts < ticks):
            packet = next(packets, None)
            if packet is None:
                break
            ahead.append(packet)
        leading = sum(packet.pts is not None and packet.pts < ticks for packet in ahead)
        at = -1 if first.dts is None else self._entries.search_timestamp(first.dts, any_frame=True)
        if at < 0 or self._entries[at].pos != first.pos or at + leading != number:
            raise NotAsIndexed("the number of a key frame is not that of the container")
        return ahead

    def _frames(self, packets: Iterator[Packet], number: int, ticks: int) -> Iterator[tuple[int, VideoFrame]]:
        """Decode from a key frame with this number and time in ticks on."""
        waiting: list[int] = []
        is_first = True
        for packet in packets:
            if gives_frame(packet, self._codec):
                if packet.pts is None:
                    raise NotAsIndexed("a packet has no time")
                if packet.pts >= ticks:
                    heappush(waiting, packet.pts)
            for frame in decode_packet(packet):
                if frame.pts is not None and frame.pts < ticks:
                    continue  # shown before the key frame
                if not waiting or frame.pts != heappop(waiting) or frame.is_corrupt or (is_first > frame.key_frame):
                    raise NotAsIndexed("a frame is missing or damaged")
                is_first = False
                yield number, frame
                number += 1
