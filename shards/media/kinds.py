"""The kinds of media: by which extensions a kind is known, how its facts are read, and how its clips are planned.

One table for everybody: members of tars, probing and planning read it. A new kind is an entry in `KINDS`, its own
files, and an entry in `DECODERS` of shards/decode/cpu.py, which has the same names (a test compares them).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from shards.media.clip_config import ClipConfig
from shards.media.clip_plan import ClipPlan, plan_frames, plan_picture, plan_video
from shards.media.facts import KeyFrame, MediaFacts

VIDEO_EXTENSIONS = (
    *("mp4", "webm", "mkv", "avi", "mov", "m4v", "mpg", "mpeg", "ts", "flv", "ogv", "ogg", "3gp", "wmv"),
    *("3g2", "mts", "m2ts"),
)
IMAGE_EXTENSIONS = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "avif")


class MediaKind(NamedTuple):
    """One kind of medium."""

    name: str
    """The value of `MediaFacts.kind`."""
    extensions: tuple[str, ...]
    """Extensions of its files; a kind without any is only found inside files of another format."""
    probe: Callable[[bytes], tuple[MediaFacts, list[KeyFrame]]] | None
    """Reads facts and GOP table, see shards/media/probe.py. Raises MediaError. None: the file around it says them."""
    plan: Callable[[MediaFacts, ClipConfig, np.random.Generator], ClipPlan]
    """Plans a clip, see shards/media/clip.py. Raises MediaError, DatasetError."""


# Every loader plans clips and few programs probe, so the files of a probe are imported when it is first called.


def _probe_video(data: bytes) -> tuple[MediaFacts, list[KeyFrame]]:
    from shards.media.videos.video_facts import probe_video

    return probe_video(data)


def _probe_frames(data: bytes) -> tuple[MediaFacts, list[KeyFrame]]:
    from shards.media.frames import probe_frames

    return probe_frames(data)


def _probe_picture(data: bytes) -> tuple[MediaFacts, list[KeyFrame]]:
    from shards.media.pictures.picture_facts import probe_picture

    return probe_picture(data)


KINDS = {
    kind.name: kind
    for kind in (
        # In the order in which a sample that has several takes its medium.
        MediaKind("video", VIDEO_EXTENSIONS, _probe_video, plan_video),
        MediaKind("frames", ("zip",), _probe_frames, plan_frames),
        MediaKind("image", IMAGE_EXTENSIONS, _probe_picture, plan_picture),
        MediaKind("stored", (), None, plan_frames),  # frames of a .beton file, shards/media/mapped.py
    )
}
_BY_EXTENSION = {extension: kind for kind in KINDS.values() for extension in kind.extensions}
MEDIA_EXTENSIONS = tuple(_BY_EXTENSION)


def kind_of(ext: str) -> MediaKind:
    """The kind of medium that an extension promises, "jpg" or "input.jpg". Raises KeyError for any other extension."""
    return _BY_EXTENSION[ext.rpartition(".")[2]]
