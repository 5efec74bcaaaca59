"""Decode a video from its start, no further than the last planned frame.

Behind damage frames are looked for from the key frames there, with a GOP table made for that: so a clip is the same
whether the index has a table or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shards.base.errors import MediaError
from shards.decode.clip_frames import ClipFrames
from shards.decode.seek import NotAsIndexed, find_frames
from shards.media.clip_plan import ClipPlan
from shards.media.facts import KeyFrames
from shards.media.limits import tolerated_loss
from shards.media.partial import PartialMedium
from shards.media.videos.lost_frames import FrameOrder, Miscounted
from shards.media.videos.mp4 import is_mp4_or_matroska
from shards.media.videos.seekable import SEEKABLE_CODECS, usable
from shards.media.videos.shown import Screen
from shards.media.videos.video import demux, open_video
from shards.media.videos.video_facts import probe_video

if TYPE_CHECKING:
    from av import FFmpegError, VideoFrame


def decode_from_start(media: bytes, plan: ClipPlan) -> NDArray[np.uint8]:
    """Decode the frames of a plan: uint8 (T, H, W, 3), RGB, without plan.ops. Raises MediaError."""
    clip = ClipFrames(plan)
    try:
        _take_linearly(media, clip, FrameOrder() if is_mp4_or_matroska(media) else None)
    except (MediaError, Miscounted) as trouble:
        if not _take_by_table(media, clip):
            if isinstance(trouble, MediaError):
                raise
            clip = ClipFrames(plan)
            _take_linearly(media, clip, None)
    return clip.frames


def _take_linearly(media: bytes, clip: ClipFrames, order: FrameOrder | None) -> None:
    """Give a clip its frames in order. Raises MediaError and, where an order is given, Miscounted."""
    from av import FFmpegError

    last = max(clip.slots)
    number = 0
    newest = None
    with open_video(media) as (container, stream):
        screen = Screen(stream)
        if screen.codec not in SEEKABLE_CODECS:
            order = None
        packets = demux(container, stream)
        while number <= last:
            frames: list[VideoFrame] = []
            cut: FFmpegError | None = None
            try:
                packet = next(packets, None)
            except FFmpegError as error:
                packet, cut, frames = None, error, screen.rest()
            try:
                if packet is not None:
                    if order is not None:
                        order.note(packet, screen.codec)
                    frames = screen.feed(packet)
            except FFmpegError as error:
                raise _damaged(clip, number, error) from error
            for newest in frames[: last + 1 - number]:
                if order is not None:
                    order.compare(newest, number)
                clip.take(number, newest)
                number += 1
            if cut is not None and clip.slots:
                raise _damaged(clip, number, cut) from cut
            if packet is None:
                break
        if clip.slots:
            if newest is None:
                raise screen.no_frame()
            _check_short(min(clip.slots), number, _promised(media, screen.num_fed, stream.frames), stream.frames)
            clip.fill(newest)


def _damaged(clip: ClipFrames, number: int, error: FFmpegError) -> MediaError:
    """The error for a frame behind one that cannot be decoded."""
    reason = f"decoding fails after {number} frames ({error.strerror})"
    return MediaError(f"frame {min(clip.slots)} was planned but {reason}")


def _take_by_table(media: bytes, clip: ClipFrames) -> bool:
    """Find the missing frames with a GOP table made for that; True if all were found."""
    try:
        table = KeyFrames.of(probe_video(media)[1]).without_marks()
        if not usable(table, len(media)):
            return False
        for number, frame in find_frames(PartialMedium.of_bytes(media, table), sorted(clip.slots)):
            clip.take(number, frame)
    except (NotAsIndexed, MediaError):
        return False
    return not clip.slots


def _promised(media: bytes, counted: int, header: int) -> int:
    """The number of frames that a stream promises to show. counted: packets that hold one."""
    hidden = counted - probe_video(media)[0].num_frames
    return max(counted, header) - hidden


def _check_short(planned: int, decoded: int, promised: int, header: int) -> None:
    """Raise MediaError for a planned frame that is missing, unless the stream ends only a little early."""
    if planned >= promised or promised - decoded > tolerated_loss(promised):
        said = f"header said {header}" if header else f"{promised} were counted"
        raise MediaError(f"frame {planned} was planned but the stream ends after {decoded} frames ({said})")
