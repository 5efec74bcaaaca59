"""Decode clips on the CPU: FFmpeg (PyAV) for video, Pillow for pictures and frame samples.

Promises: the frames of the plan and no others, exact by number in presentation order; a frame that the plan repeats is
decoded once. A video whose GOP table is known is decoded from the key frames before the planned frames, where that is
known to give the same (seek.py); any other from its start, because seeking lands on wrong frames in enough real files
(MPEG-PS, open GOPs). Decoding goes no further than the last planned frame.
One codec thread; FFmpeg and Pillow release the GIL, so threads decode clips side by side.
The rotation that a container or EXIF asks for is applied. Whatever is wrong with the bytes is a MediaError.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shards.base.errors import MediaError
from shards.decode.augment import apply_ops
from shards.decode.mapped import decode_mapped
from shards.decode.mirror import mirrored
from shards.decode.seek import NotAsIndexed, find_frames
from shards.media.clip import ClipPlan
from shards.media.facts import KeyFrames
from shards.media.frames import FramePictures
from shards.media.kinds import MAX_VIDEO_PIXELS, SEEKABLE_CODECS, Orientation, check_size, tolerated_loss
from shards.media.mapped import MappedFrames
from shards.media.medium import Media, whole
from shards.media.partial import PartialMedium, usable
from shards.media.pictures.picture import open_image, to_rgb
from shards.media.pictures.transparency import has_alpha, over_white
from shards.media.videos.mp4 import is_mp4_or_matroska
from shards.media.videos.shown import Miscounted, Order, Screen
from shards.media.videos.video import demux, open_video, orientation
from shards.media.videos.video_facts import no_frame, probe_video

if TYPE_CHECKING:
    from av import FFmpegError, VideoFrame


def decode(media: Media, kind: str, plan: ClipPlan) -> NDArray[np.uint8]:
    """Decode a clip: uint8 (T, H, W, 3), RGB, contiguous, as plan.shape says.

    Containers promise a frame or two that never come. So, if a stream ends without an error and at most 2 frames or 2 %
    (whichever is more) before the promised number, its last frame stands in for the missing ones. A planned frame that
    is missing beyond that, or lies behind a decoding error, raises MediaError with both numbers.
    A picture has frame 0 only.
    """
    frames = apply_ops(_decode(media, kind, plan), plan.ops)
    return np.repeat(frames, len(plan.frames), axis=0) if kind == "image" else frames


def _decode(media: Media, kind: str, plan: ClipPlan) -> NDArray[np.uint8]:
    """The frames without plan.ops; of a picture once."""
    if isinstance(media, MappedFrames):
        return decode_mapped(media, plan, _decode_image)
    if kind == "video":
        return _decode_video(media, plan)
    if kind == "image":
        return _decode_image(whole(media), plan)
    if kind == "frames":
        return _decode_frames(whole(media), plan)
    raise ValueError(f"kind is {kind!r}, allowed are 'video', 'image' and 'frames'")


def _decode_video(media: bytes | PartialMedium, plan: ClipPlan) -> NDArray[np.uint8]:
    if isinstance(media, bytes):
        return _decode_from_start(media, plan)
    media.bring(plan.frames)
    clip = _Clip(plan)
    try:
        for number, frame in find_frames(media, sorted(clip.slots)):
            clip.take(number, frame)
        if clip.slots:
            raise NotAsIndexed(f"frame {min(clip.slots)} did not come")
        return clip.frames
    except (NotAsIndexed, MediaError):
        # Whatever is odd, the linear way decides what the clip is, or what is wrong with it.
        return _decode_from_start(media.whole(), plan)
    finally:
        if media.error is not None:
            raise media.error


class _Clip:
    """The clip in the making: takes frames by their number."""

    def __init__(self, plan: ClipPlan) -> None:
        import av  # noqa: F401  # before its module, or threads that come first at the same time find it half made
        from av.video.reformatter import Interpolation, VideoReformatter

        self._plan = plan
        self._reformatter = VideoReformatter()
        self._interpolation = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
        self.frames = np.empty(plan.shape, np.uint8)
        self.slots = _slots(plan.frames)
        """The numbers that are missing -> their places."""
        self.turn: Orientation | None = None

    def take(self, number: int, frame: VideoFrame) -> None:
        if self.turn is None:
            self.turn = orientation(frame)
        if number in self.slots:
            self.frames[self.slots.pop(number)] = self._picture(frame, self.turn)

    def fill(self, frame: VideoFrame) -> None:
        """Let a frame stand for all that are missing."""
        assert self.turn is not None
        picture = self._picture(frame, self.turn)
        for where in self.slots.values():
            self.frames[where] = picture

    def _picture(self, frame: VideoFrame, turn: Orientation) -> NDArray[np.uint8]:
        """Scale and convert in one go, turn, crop."""
        check_size(frame.width, frame.height, MAX_VIDEO_PIXELS)
        height, width = self._plan.resize[::-1] if turn.swaps_sides else self._plan.resize
        if has_alpha(frame):
            return _finish(over_white(frame, self._reformatter, width, height), self._plan, turn)
        scaled = self._reformatter.reformat(frame, width, height, "rgb24", interpolation=self._interpolation, threads=1)
        return _finish(scaled.to_ndarray().astype(np.uint8, copy=False), self._plan, turn)


def _decode_from_start(media: bytes, plan: ClipPlan) -> NDArray[np.uint8]:
    """Linearly. Where that meets damage, what is behind it is looked for from the key frames there: so a clip is the
    same whether a GOP table was at hand from the start or not."""
    clip = _Clip(plan)
    try:
        _take_linearly(media, clip, Order() if is_mp4_or_matroska(media) else None)
    except (MediaError, Miscounted) as trouble:
        if not _take_by_table(media, clip):
            if isinstance(trouble, MediaError):
                raise
            clip = _Clip(plan)
            _take_linearly(media, clip, None)
    return clip.frames


def _take_linearly(media: bytes, clip: _Clip, order: Order | None) -> None:
    """Raises MediaError and, where an order is given, Miscounted."""
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
                raise no_frame(screen)
            _check_short(min(clip.slots), number, _promised(media, screen.num_fed, stream.frames), stream.frames)
            clip.fill(newest)


def _damaged(clip: _Clip, number: int, error: FFmpegError) -> MediaError:
    reason = f"decoding fails after {number} frames ({error.strerror})"
    return MediaError(f"frame {min(clip.slots)} was planned but {reason}")


def _take_by_table(media: bytes, clip: _Clip) -> bool:
    """Find what is missing with a GOP table made for it; whether it was found."""
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
    """Frames that a stream promises to show. counted: packets that hold one."""
    hidden = counted - probe_video(media)[0].num_frames
    return max(counted, header) - hidden


def _slots(frames: tuple[int, ...]) -> dict[int, list[int]]:
    slots: dict[int, list[int]] = {}
    for where, number in enumerate(frames):
        if number < 0:
            raise ValueError(f"the plan asks for frame {number}")
        slots.setdefault(number, []).append(where)
    if not slots:
        raise ValueError("the plan asks for no frame")
    return slots


def _check_short(planned: int, decoded: int, promised: int, header: int) -> None:
    if planned >= promised or promised - decoded > tolerated_loss(promised):
        said = f"header said {header}" if header else f"{promised} were counted"
        raise MediaError(f"frame {planned} was planned but the stream ends after {decoded} frames ({said})")


def _finish(picture: NDArray[np.uint8], plan: ClipPlan, turn: Orientation) -> NDArray[np.uint8]:
    """Turn a scaled picture upright, cut the crop, mirror: (h, w, 3), perhaps a view."""
    if turn.mirror:
        picture = picture[:, ::-1]
    picture = np.rot90(picture, turn.quarter_turns)
    top, left, height, width = plan.crop
    picture = picture[top : top + height, left : left + width]
    return mirrored(picture) if plan.flip else picture


def _decode_frames(media: bytes, plan: ClipPlan) -> NDArray[np.uint8]:
    """Pictures of a video: each planned one by the decoder of still images."""
    stored, frames = FramePictures(media), np.empty(plan.shape, np.uint8)
    for number, where in _slots(plan.frames).items():
        frames[where] = _decode_image(stored.picture(number), replace(plan, frames=(0,)))
    return frames


def _decode_image(media: bytes, plan: ClipPlan) -> NDArray[np.uint8]:
    """The one frame, (1, H, W, 3)."""
    from PIL import Image

    wrong = [number for number in plan.frames if number != 0]
    if wrong or not plan.frames:
        raise ValueError(f"the plan asks a picture for frames {plan.frames}; a picture has frame 0 only")
    with open_image(media) as (image, turn):
        height, width = plan.resize[::-1] if turn.swaps_sides else plan.resize
        # JPEG only: decode at 1/2, 1/4 or 1/8 where that still leaves twice the wanted size for a clean resize.
        image.draft(None, (2 * width, 2 * height))
        rgb = to_rgb(image)
        scaled = rgb.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)
    return _finish(np.asarray(scaled), plan, turn)[None]
