"""Cut one video into clips: find its scenes, and encode or copy each. A function of its bytes and the settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from shards.base import MediaError
from shards.media import KeyFrames, frame_times, probe_table
from tools.media.profiles import PROFILES, Profile, VideoProfile, describe
from tools.rows import OptionError
from tools.scenes.cutting import Clip, copy_scenes, encode_scenes
from tools.scenes.detect import Detection, find_cuts
from tools.scenes.scenes import at_key_frames, between, scenes_of

CUTS = ("reencode", "copy")


@dataclass(frozen=True, slots=True)
class Cutting:
    """The settings of a run."""

    detection: Detection = field(default_factory=Detection)
    least: float = 1.0
    """Seconds of the shortest clip; a shorter scene belongs to the one before it."""
    most: float | None = None
    """Seconds of the longest clip; a longer scene is cut into equal parts. None: as long as it is."""
    cut: str = "reencode"
    profile_name: str = "h264_256"
    profile: Profile = PROFILES["h264_256"]

    def check(self) -> None:
        """Raise OptionError for settings that make no sense, or that cannot be met on this machine."""
        if self.cut not in CUTS:
            raise OptionError(f"--cut {self.cut} is unknown; choose one of {', '.join(CUTS)}")
        if self.most is not None and self.most < 2 * self.least:
            raise OptionError(f"--max-seconds {self.most:g} must be at least twice --min-seconds {self.least:g}")
        if not isinstance(self.profile, VideoProfile):
            raise OptionError(f"--media-profile {self.profile_name} makes pictures; clips need one that makes videos")
        self.detection.open()

    def describe(self) -> dict[str, Any]:
        """What decides the clips, for the provenance."""
        import scenedetect

        detection = {"detector": self.detection.detector, "threshold": self.detection.used_threshold}
        made = describe(self.profile_name, self.profile) if self.cut == "reencode" else {}
        lengths = {"min_seconds": self.least, "max_seconds": self.most, "cut": self.cut}
        return {**detection, **lengths, "media_profile": made, "scenedetect": scenedetect.__version__}


def cut_video(data: bytes, ext: str, cutting: Cutting) -> list[Clip]:
    """The clips of a video, in order. ext: its extension. Raises MediaError."""
    facts, table = probe_table(data, f"x.{ext}")
    if facts.kind != "video":
        raise MediaError(f"is a medium of kind {facts.kind}, and only videos have scenes")
    times = frame_times(data)
    cuts, count = find_cuts(data, cutting.detection)
    times = times[: max(1, count)]
    end = max(facts.start_time + facts.duration, times[-1])
    scenes = scenes_of([cut for cut in cuts if cut < len(times)], times, end, cutting.least, cutting.most)
    if cutting.cut == "reencode":
        assert isinstance(cutting.profile, VideoProfile), "checked"
        return encode_scenes(data, scenes, times, cutting.profile)
    keys = KeyFrames.of(table).without_marks()
    when = dict(zip(keys.frames, keys.times, strict=True))
    if not when:
        raise MediaError("its key frames are not known, so it cannot be copied; use --cut reencode")
    begins = at_key_frames([scene.first for scene in scenes], sorted(when))
    snapped = between(begins, times, end)
    return copy_scenes(data, ext, snapped, [when.get(begin, times[0]) for begin in begins])
