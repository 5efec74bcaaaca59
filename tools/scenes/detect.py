"""Where the scenes of a video begin, by a detector of PySceneDetect.

Promises: cuts are frame numbers as everywhere here (the first frame that is shown is 0), also where the rate varies:
the detector gets our frames one by one, about 256 pixels wide, as PySceneDetect itself scales them, and no times.
Gives up: slow fades, which neither detector looks for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from shards.base import MediaError
from shards.media import open_video, shown_frames
from tools.rows import OptionError

if TYPE_CHECKING:
    from av import VideoFrame
    from av.video.reformatter import VideoReformatter

THRESHOLDS = {"adaptive": 3.0, "content": 27.0}
"""The detectors, with PySceneDetect's own thresholds."""
_WIDTH = 256
_FPS = 25.0
"""Of no meaning: PySceneDetect's frame numbers need some rate."""


class Detection(NamedTuple):
    """How scenes are found."""

    detector: str = "adaptive"
    """ "adaptive": against the mean of the frames around it, for moving cameras; "content": against the frame before.
    """
    threshold: float | None = None
    """None: the detector's own."""

    @property
    def used_threshold(self) -> float:
        """The threshold, or the default of the detector."""
        return THRESHOLDS[self.detector] if self.threshold is None else self.threshold

    def open(self) -> Any:
        """A new detector of PySceneDetect. Raises OptionError."""
        if self.detector not in THRESHOLDS:
            raise OptionError(f"--detector {self.detector} is unknown; choose one of {', '.join(THRESHOLDS)}")
        try:
            from scenedetect import AdaptiveDetector, ContentDetector
        except ImportError as error:
            raise OptionError(
                f"tools scenes needs PySceneDetect and OpenCV ({error}); pip install scenedetect opencv-python-headless"
            ) from error
        # Short scenes are merged by time, in scenes.py.
        if self.detector == "adaptive":
            return AdaptiveDetector(adaptive_threshold=self.used_threshold, min_scene_len=0)
        return ContentDetector(threshold=self.used_threshold, min_scene_len=0)


def find_cuts(data: bytes, detection: Detection) -> tuple[list[int], int]:
    """The first frame of every scene but the first, in order, and the number of frames. Raises MediaError."""
    from av import FFmpegError
    from av.video.reformatter import VideoReformatter
    from scenedetect import FrameTimecode

    detector, reformatter = detection.open(), VideoReformatter()
    cuts: set[int] = set()
    count = 0
    with open_video(data) as (container, stream):
        try:
            for frame in shown_frames(container, stream):
                found = detector.process_frame(FrameTimecode(count, _FPS), _small(frame, reformatter))
                cuts.update(one.frame_num for one in found)
                count += 1
        except FFmpegError as error:
            raise MediaError(f"decoding fails after {count} frames ({error.strerror})") from error
    if not count:
        raise MediaError("no frame can be decoded")
    cuts.update(one.frame_num for one in detector.post_process(FrameTimecode(count - 1, _FPS)))
    return sorted(cut for cut in cuts if 0 < cut < count), count


def _small(frame: VideoFrame, reformatter: VideoReformatter) -> Any:
    """The frame as PySceneDetect wants it: BGR, uint8 (H, W, 3)."""
    scale = min(1.0, _WIDTH / frame.width)
    width, height = max(1, round(frame.width * scale)), max(1, round(frame.height * scale))
    return reformatter.reformat(frame, width, height, "bgr24", threads=1).to_ndarray()
