"""The facts of a video: found by demuxing all of it and decoding it up to the first frame that is shown.

Promises: frames are counted and numbered from the first that is shown (shards/media/videos/shown.py), their times are
those of shards/media/videos/timeline.py, and what decoding the whole file linearly gives has these numbers and times,
as far as demuxing can tell. Damage behind the first frame is not looked for; decoding finds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from shards.media.facts import KeyFrame, MediaFacts
from shards.media.limits import MAX_VIDEO_PIXELS, check_size
from shards.media.rotation import Orientation
from shards.media.videos.shown import Screen
from shards.media.videos.time_marks import with_marks
from shards.media.videos.timeline import Stamp, Timeline, timeline
from shards.media.videos.video import demux, gives_frame, open_video

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

_MAX_FPS = 1000.0
STILL_BESIDE_FILM = "the video track that players show is a single still, and another one moves; only the still is used"


class _Found(NamedTuple):
    stamps: list[Stamp]
    first: VideoFrame
    hidden: int
    """Frames that come before the first one in the order of showing, and are not shown."""


def probe_video(data: bytes) -> tuple[MediaFacts, list[KeyFrame]]:
    """The facts of a video, its key frames and time marks. Raises MediaError."""
    with open_video(data) as (container, stream):
        found = _read(container, stream)
        first = found.first
        check_size(first.width, first.height, MAX_VIDEO_PIXELS)
        width, height = (
            (first.height, first.width) if Orientation.of(first).swaps_sides else (first.width, first.height)
        )
        codec = stream.codec_context.codec.canonical_name
        fps, shown = _line(found, stream)
        is_ordered = not stream.codec_context.has_b_frames or _are_reordered(found.stamps)
    count = len(shown.times)
    start, duration = shown.times[0], shown.end - shown.times[0]
    if shown.mended and not 0.5 < fps * duration / count < 2:
        fps = count / duration
    elif not fps and shown.times[-1] > start:
        fps = (count - 1) / (shown.times[-1] - start)
    table = _key_frames(found.stamps, shown, is_ordered)
    if count > 1:
        table = with_marks(table, shown.times, duration)
    return MediaFacts("video", codec, width, height, count, fps, duration, start), table


def is_still_beside_film(data: bytes, facts: MediaFacts) -> bool:
    """True for a video that shows a single still and has another video track, which moves. Raises MediaError."""
    if facts.kind != "video" or facts.num_frames > 1:
        return False
    from av import FFmpegError

    counts: dict[int, int] = {}
    with open_video(data) as (container, stream):
        others = [other for other in container.streams.video if other is not stream]
        try:
            for packet in container.demux(others) if others else ():
                counts[packet.stream_index] = counts.get(packet.stream_index, 0) + (packet.size > 0)
        except (FFmpegError, IndexError):
            pass  # cut off, or as in `demux`: what was counted so far is known
    return max(counts.values(), default=0) > 1


def frame_times(data: bytes) -> list[float]:
    """The times at which the frames of a video are shown, in order, seconds on the clock of the stream.

    Raises MediaError.
    """
    with open_video(data) as (container, stream):
        return _line(_read(container, stream), stream)[1].times


def _read(container: InputContainer, stream: VideoStream) -> _Found:
    """Demux everything, decode up to the first frame that is shown."""
    from av import FFmpegError

    screen = Screen(stream)
    stamps: list[Stamp] = []
    first: VideoFrame | None = None
    hidden = 0
    packets = demux(container, stream)
    while True:
        try:
            packet = next(packets, None)
        except FFmpegError as error:
            if first is None:
                screen.error = error
            break  # cut off; what comes before can be used
        if packet is None:
            break
        if gives_frame(packet, screen.codec):
            offset = -1 if packet.pos is None else packet.pos
            stamps.append(Stamp(packet.pts, packet.dts, packet.is_keyframe, offset, packet.duration or 0))
        if first is None and (frames := screen.feed(packet)):
            first = frames[0]
            # Of the packets so far each one gives a frame that is shown, or one that is not and comes before it.
            hidden = screen.num_fed - len(frames) - len(screen.rest())
    if first is None:
        raise screen.no_frame()
    return _Found(stamps or [Stamp(None, None, True, -1, 0)], first, min(max(hidden, 0), max(len(stamps) - 1, 0)))


def _line(found: _Found, stream: VideoStream) -> tuple[float, Timeline]:
    """Frames per second, 0 if the container does not say, and the timeline of the frames that are shown."""
    fps = float(stream.average_rate or 0)
    fps = fps if 0 < fps <= _MAX_FPS else 0.0
    line = timeline(found.stamps, float(stream.time_base or 0), fps)
    return fps, line._replace(order=line.order[found.hidden :], times=line.times[found.hidden :])


def _are_reordered(stamps: Sequence[Stamp]) -> bool:
    """True if some packet's frame is shown before that of the packet in front of it."""
    times = [stamp.pts for stamp in stamps if stamp.pts is not None]
    return any(after < before for before, after in pairwise(times))


def _key_frames(stamps: Sequence[Stamp], shown: Timeline, is_ordered: bool) -> list[KeyFrame]:
    """The key frames that are shown. A container finds no frame by its times where these were mended, or are those of
    storing in a codec that shows frames in another order: no offset is told then."""
    has_offsets = is_ordered and not shown.mended
    numbered = ((number, stamps[place]) for number, place in enumerate(shown.order))
    return [
        KeyFrame(number, shown.times[number], stamp.offset if has_offsets else -1)
        for number, stamp in numbered
        if stamp.is_key
    ]
