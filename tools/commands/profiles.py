"""The options that change a media profile, which build and transcode share, and the profile that they describe.

Promises: an option that the profile has no field for, or a value that it cannot take, is an OptionError. Profiles
themselves are in tools/media/profiles.py.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

from shards.cli import flag
from tools.rows import OptionError

if TYPE_CHECKING:
    from tools.media.profiles import Profile

SHORT_SIDE = typer.Option(None, min=16, help="Short side of frames, pixels; smaller media keep their own.")
FPS = typer.Option(None, help="Keep at most so many frames per second of a video.")
EVERY = typer.Option(None, min=1, help="Keep one of so many frames of a video.")
GOP = typer.Option(None, min=1, help="Frames from one key frame to the next.")
CODEC = typer.Option(None, help="h264, hevc or av1.")
QUALITY = typer.Option(None, min=0, help="Videos: constant rate factor, less is better; frames_...: 1 to 100.")
NUM_FRAMES = typer.Option(None, min=1, help="frames_...: pictures of each video.")
PICTURE = typer.Option(None, help="frames_...: jpeg or webp.")
PICTURE_QUALITY = typer.Option(None, min=1, help="JPEG quality of pictures in the dataset, 1 to 100.")


def find_profile(name: str | None, changes: Mapping[str, Any]) -> tuple[str, Profile] | None:
    """The media profile of this name, with the fields that options change; None: media stay as they are.

    Raises OptionError.
    """
    given = [flag(option) for option, value in changes.items() if value is not None]
    if name is None and given:
        raise OptionError(f"{', '.join(given)}: say with --media-profile what to make of media")
    if name is None:
        return None
    # The encoder of AV1 would write a page to stderr for every video.
    os.environ.setdefault("SVT_LOG", "1")
    from tools.media import profiles

    return name, profiles.find_profile(name, **changes)
