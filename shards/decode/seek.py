"""Frames of a video by seeking to the key frames before them, with the GOP table of the index.

Promises: the frames that linear decoding gives for the same numbers, bit for bit, or NotAsIndexed, and then the caller
decodes linearly. The table says where to seek; what is found there is trusted only if the container confirms it:

- where a seek lands is a key frame of the table, by byte and time;
- its number, counted from the first key frame, is that of the container's own index (MP4), or that of its time at the
  container's constant frame rate (Matroska, WebM; one with a variable rate is decoded linearly);
- from there on every packet gives its frame, in presentation order, none missing and none damaged.

Frames of an open GOP that are shown before its key frame come out damaged after a seek; they are decoded from the key
frame before. The first frame of the video is always decoded: encoders leave notes there that decoders need later on.
As little as possible is decoded: packets are read ahead (which costs next to nothing) until it is known which of them
hold the wanted frames; behind the last of these the decoder gets no more; and of H.264 the pictures to which no other
refers, half of what x264 makes, are skipped when they are not wanted (this saves a quarter of the time).
Damage in packets that are not decoded is not noticed; linear decoding, which meets it, seeks for the frames behind it
(linear.py), so a clip is the same either way. Decoders are strict here: damage is an error, as far as they can tell,
not a picture that depends on what was decoded before it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from itertools import chain, pairwise
from typing import TYPE_CHECKING

import numpy as np

from shards.base.errors import PrintableError
from shards.media.partial import PartialMedium
from shards.media.videos.seekable import SEEKABLE_CODECS
from shards.media.videos.video import decode_packet, demux, gives_frame, open_video, video_errors

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

_SKIPPABLE_CODECS = ("h264",)
"""Codecs whose decoders can skip pictures to which no other picture refers."""
_UNEVEN = 1.5
"""A step between two times that is this many times as long as the shortest may be a missing frame."""
_IN_ORDER_CODECS = ("vp8", "vp9", "av1")
"""Codecs whose packets are stored in the order in which they are shown."""
_MAX_REORDER = 16
"""H.264 and HEVC: at most so many pictures are decoded before one that is shown before them."""


class NotAsIndexed(PrintableError):
    """A video in which seeking cannot be trusted."""


def find_frames(media: PartialMedium, wanted: Sequence[int]) -> Iterator[tuple[int, VideoFrame]]:
    """Yield (number, frame) in order: frame 0 and the wanted ones, which are numbers in order, each once.

    Raises NotAsIndexed, MediaError, SourceError.
    """
    with open_video(media, probe=False) as (container, stream), video_errors("damaged"):
        video = _Video(container, stream, media)
        for run in _runs(wanted if wanted[0] == 0 else (0, *wanted), media.key_frames.frames):
            yield from video.from_key(run) if run[0] else video.from_start(run)


def _runs(wanted: Sequence[int], keys: Sequence[int]) -> list[list[int]]:
    """Group frames that are decoded from the same key frame: no key frame lies between one and the next."""
    runs: list[list[int]] = []
    for number in wanted:
        if runs and keys[bisect_right(keys, number) - 1] <= runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return runs


def _is_even(times: Sequence[int]) -> bool:
    """True if no frame seems to be missing. After a lost picture H.264 decoders show others if some are skipped."""
    steps = [after - before for before, after in pairwise(times)]
    return not steps or max(steps) <= _UNEVEN * min(steps)


class _Video:
    """An open video in which frames are found by the GOP table of the index."""

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
        self._hidden = 0
        """Frames that the container counts before the first one that is shown."""
        self._entries = stream.index_entries if "mov" in container.format.name else None
        if self._entries is not None:
            whole = len(self._entries) == stream.frames
            if not whole or any(entry.is_discard for entry in self._entries):
                raise NotAsIndexed("not all of the container's samples are frames")

    def from_start(self, run: Sequence[int]) -> Iterator[tuple[int, VideoFrame]]:
        """The frames of the first run."""
        packets = demux(self._container, self._stream)
        # What is stored before the first key frame is not shown.
        packet = next(packets, None)
        while packet is not None and packet.pos != self._offsets[0]:
            packet = next(packets, None)
        first, self._first_time = self._key_packet(packet, 0)
        ahead: list[Packet] = []
        if self._entries is not None:
            self._hidden, ahead = self._count_before(first, self._first_time, packets)
        return self._frames(chain([first], ahead, packets), 0, self._first_time, run)

    def from_key(self, run: Sequence[int]) -> Iterator[tuple[int, VideoFrame]]:
        """The frames of a run, from the key frame before its first on."""
        want = run[0]
        time = self._times[bisect_right(self._numbers, want) - 1]
        # The index holds times as float32: a little more, because seeking gives a key frame at the time or before it.
        self._container.seek(int(np.ceil((time + self._doubt(time)) / self._tick)), stream=self._stream)
        packets = demux(self._container, self._stream)
        packet = next(packets, None)
        there = [] if packet is None else [k for k, offset in enumerate(self._offsets) if offset == packet.pos]
        if not there or self._numbers[there[0]] > want:
            raise NotAsIndexed(f"seeking for frame {want} leads elsewhere")
        first, ticks = self._key_packet(packet, there[0])
        ahead = self._check_number(first, ticks, packets, self._numbers[there[0]])
        return self._frames(chain([first], ahead, packets), self._numbers[there[0]], ticks, run)

    def _doubt(self, time: float) -> float:
        """The rounding error of a time in the index, which holds float32."""
        with np.errstate(over="ignore"):  # a time beyond 32 bits gives nan, which nothing is near to
            return float(np.spacing(np.float32(abs(time))))

    def _key_packet(self, packet: Packet | None, key: int) -> tuple[Packet, int]:
        """The packet and its time in ticks; raises NotAsIndexed if it is not this key frame of the table."""
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
        """Compare the number of a key frame with what the container says; returns the packets read for that."""
        if self._entries is None:
            rate = float(self._stream.average_rate or 0)
            if not abs((ticks - self._first_time) * self._tick * rate - number) < 0.5:
                raise NotAsIndexed("the frame rate is not constant")
            return []
        before, ahead = self._count_before(first, ticks, packets)
        if before - self._hidden != number:
            raise NotAsIndexed("the number of a key frame is not that of the container")
        return ahead

    def _count_before(self, first: Packet, ticks: int, packets: Iterator[Packet]) -> tuple[int, list[Packet]]:
        """The number of frames in the container that are shown before a key frame, and the packets read for that.

        They are as many as are stored before it, and those stored behind it and shown before it.
        """
        ahead: list[Packet] = []
        while not ahead or (ahead[-1].pts is not None and ahead[-1].pts < ticks):
            packet = next(packets, None)
            if packet is None:
                break
            ahead.append(packet)
        leading = sum(packet.pts is not None and packet.pts < ticks for packet in ahead)
        assert self._entries is not None
        at = -1 if first.dts is None else self._entries.search_timestamp(first.dts, any_frame=True)
        if at < 0 or self._entries[at].pos != first.pos:
            raise NotAsIndexed("a key frame is not where the container says")
        return at + leading, ahead

    def _frames(
        self, packets: Iterator[Packet], number: int, ticks: int, run: Sequence[int]
    ) -> Iterator[tuple[int, VideoFrame]]:
        """Decode a run from a key frame with this number and time in ticks on."""
        from av import FFmpegError

        needed, times = self._look_ahead(packets, ticks, run[-1] - number)
        wanted = {times[want - number]: want for want in run}
        last = max(at for at, packet in enumerate(needed) if packet.pts in wanted)
        context = self._stream.codec_context
        clocks = (
            times[: run[-1] - number + 1],
            [packet.dts for packet in needed[: last + 1] if packet.dts is not None],
        )
        skips = self._codec in _SKIPPABLE_CODECS and all(map(_is_even, clocks))
        waiting: list[tuple[int, bool]] = []  # (time, True if the decoder must give it)
        is_first = True
        for packet in (*needed[: last + 1], None):
            if packet is None:
                frames = context.decode(None)  # Whatever the decoder still holds back, without feeding it more.
            else:
                must_come = packet.pts in wanted or packet.pts == ticks or not skips
                context.skip_frame = "DEFAULT" if must_come else "NONREF"
                if gives_frame(packet, self._codec) and packet.pts is not None and packet.pts >= ticks:
                    heappush(waiting, (packet.pts, must_come))
                try:
                    frames = decode_packet(packet)
                except FFmpegError:
                    if packet.pts is None or packet.pts >= ticks:
                        raise
                    frames = []  # shown before the key frame, and refers to what was not decoded
            for frame in frames:
                if frame.pts is not None and frame.pts < ticks:
                    continue  # shown before the key frame
                while waiting and not waiting[0][1] and waiting[0][0] != frame.pts:
                    heappop(waiting)
                if (
                    not waiting
                    or heappop(waiting)[0] != frame.pts
                    or frame.is_corrupt
                    or (is_first and not frame.key_frame)
                ):
                    raise NotAsIndexed("a frame is missing or damaged")
                is_first = False
                want = wanted.pop(frame.pts, None)
                if want is not None:
                    yield want, frame
        if wanted:
            raise NotAsIndexed(f"frame {min(wanted.values())} is missing")

    def _look_ahead(self, packets: Iterator[Packet], ticks: int, rank: int) -> tuple[list[Packet], list[int]]:
        """Read packets, in order of decoding, until those of the next `rank + 1` frames from a key frame on are read.

        Also the times of the frames in these packets, sorted: entry i is that of frame i behind the key frame.
        """
        needed: list[Packet] = []
        times: list[int] = []
        for packet in packets:
            if packet.size == 0 and packet.pts is None and packet.dts is None:
                break
            needed.append(packet)
            if gives_frame(packet, self._codec):
                if packet.pts is None:
                    raise NotAsIndexed("a packet has no time")
                if packet.pts >= ticks:
                    at = bisect_left(times, packet.pts)
                    if times[at : at + 1] == [packet.pts]:
                        raise NotAsIndexed("two packets have one time")
                    times.insert(at, packet.pts)
            if len(times) > rank and self._is_settled(packet, times, rank):
                return needed, times
        if len(times) <= rank:
            raise NotAsIndexed(f"ends {rank + 1 - len(times)} frames before the last one wanted")
        return needed, times

    def _is_settled(self, packet: Packet, times: Sequence[int], rank: int) -> bool:
        """True if no later packet can be shown before the frame of that rank."""
        if self._entries is not None:  # MP4 says when the next one is decoded, and it is not shown before that
            at = -1 if packet.dts is None else self._entries.search_timestamp(packet.dts, any_frame=True) + 1
            return at == len(self._entries) or (at > 0 and self._entries[at].timestamp >= times[rank])
        return len(times) - rank > (0 if self._codec in _IN_ORDER_CODECS else _MAX_REORDER)
