"""Make a video small: decode it, keep the frames of the profile, and write them as an MP4.

Gives up: a video whose decoding fails before its end, or that lacks more than 2 frames or 2 % of those that it
promises, has no output (MediaError); a file that was cut off gives the frames before the cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from shards.base import MediaError
from shards.media import frame_times, open_video, shown_frames, tolerated_loss
from tools.media.mp4_writer import Mp4Writer
from tools.media.profiles import VideoProfile

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream


def make_video(data: bytes, duration: float, profile: VideoProfile) -> tuple[bytes, list[int]]:
    """An MP4 of the kept frames, and their numbers. duration: when the last frame of the input ends, seconds."""
    times = frame_times(data)
    kept = set(profile.keep(times))
    numbers: list[int] = []
    decoded = 0
    writer: Mp4Writer | None = None
    with open_video(data) as (container, stream):
        for number, frame in enumerate(_decode(container, stream)):
            decoded = number + 1
            if number not in kept:
                continue
            if writer is None:
                writer = Mp4Writer(profile, frame, stream)
            writer.add(frame, times[number] - times[0])
            numbers.append(number)
    if writer is None:
        raise MediaError("no frame can be decoded")
    if len(times) - decoded > tolerated_loss(len(times)):
        raise MediaError(f"the stream ends after {decoded} frames ({len(times)} were counted)")
    return writer.finish(duration), numbers


def _decode(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """All frames that are shown, in order; of a file that was cut off those before the cut. Raises MediaError."""
    from av import FFmpegError

    count = 0
    try:
        for frame in shown_frames(container, stream):
            count += 1
            yield frame
    except FFmpegError as error:
        raise MediaError(f"decoding fails after {count} frames ({error.strerror})") from error
