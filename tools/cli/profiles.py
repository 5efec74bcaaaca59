"""The options of build and transcode that change a media profile, and the profile that they describe.

Promises: an option that the profile has no field for, or a value that it cannot take, is an OptionError. Profiles
themselves are in tools/media/profiles.py.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shards.cli import flag
from tools.rows import OptionError

if TYPE_CHECKING:
    from tools.media.profiles import Profile


def _option(name: str, kind: Any, least: float | None, help_text: str) -> inspect.Parameter:
    annotation = Annotated[kind | None, typer.Option(min=least, help=help_text)]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


PROFILE_OPTIONS = (
    _option("short_side", int, 16, "Short side, pixels (of videos a multiple of 16); smaller media keep their own."),
    _option("fps", float, None, "Keep at most so many frames per second of a video."),
    _option("every", int, 1, "Keep one of so many frames of a video."),
    _option("gop", int, 1, "Frames from one key frame to the next."),
    _option("codec", str, None, "h264, hevc or av1."),
    _option("quality", int, 0, "Videos: constant rate factor, less is better; frames_...: 1 to 100."),
    _option("num_frames", int, 1, "frames_...: pictures of each video."),
    _option("picture", str, None, "frames_...: jpeg or webp."),
    _option("encoder_threads", int, 1, "Threads of the encoder for one video; more change the bytes.  [default: 1]"),
    _option("picture_quality", int, 1, "JPEG quality of pictures in the dataset, 1 to 100."),
)
"""One for each field of a profile."""


def chosen_profile(name: str | None, changes: Mapping[str, Any]) -> tuple[str, Profile] | None:
    """The media profile of this name, with the fields that options change; None: media stay as they are.

    Raises OptionError.
    """
    if name is None:
        if changes:
            given = ", ".join(map(flag, changes))
            raise OptionError(f"{given}: say with --media-profile what to make of media")
        return None
    # The encoder of AV1 would write a page to stderr for every video.
    os.environ.setdefault("SVT_LOG", "1")
    from tools.media import profiles

    return name, profiles.find_profile(name, **changes)
