"""Ids of videos, as the sets write them, brought to one form, and whether two mean the same video.

7010, msr7010, video7010 and video7010.mp4 are one video of MSR-VTT; 1, vid1 and, by youtube_mapping.txt, the name
-4wsuPCjDBc_5_15 one of MSVD. Names of several sets hold an id of YouTube, perhaps with seconds: v_ID (ActivityNet),
ID_5_15 (MSVD), 105222_ID (CrossTask), or an address; two with seconds that do not overlap are different parts of one
film, and so no leak. A bare number means something only within a set that is known; otherwise it is never a leak.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from shards.media import MEDIA_EXTENSIONS
from tools.datasets.questions.msrvtt_qa import video_id
from tools.rows import OptionError, make_key

_FAMILIES = {
    "msrvtt": ("msrvtt", "msr-vtt", "msr_vtt"),
    "msvd": ("msvd", "youtubeclips"),
    "nextqa": ("nextqa", "next-qa", "nextgqa", "next_qa"),
    "activitynet": ("activitynet", "anet"),
    "tgif": ("tgif",),
    "lsmdc": ("lsmdc",),
    "didemo": ("didemo",),
    "youcook2": ("youcook",),
    "howto100m": ("howto100m",),
    "crosstask": ("crosstask",),
    "coin": ("coin",),
    "webvid": ("webvid",),
    "cc3m": ("cc3m", "cc12m"),
}
_NO_YOUTUBE = {"msrvtt", "nextqa", "tgif", "lsmdc", "didemo", "webvid", "cc3m"}
"""Sets whose names hold no id of YouTube, though some are as long as one."""
_NUMBERED = {"msvd": "give its youtube_mapping.txt with --id-map", "tgif": "give files that name the GIFs"}
"""Sets that some files name and others number, and what to do."""
_NAME = re.compile(r"(?:v_|\d+_)?([A-Za-z0-9_-]{11})(?:_(\d+(?:\.\d+)?)_(\d+(?:\.\d+)?))?")
_ADDRESS = re.compile(r"(?:youtube\.com/(?:watch\?(?:.*&)?v=|embed/|shorts/)|youtu\.be/)([A-Za-z0-9_-]{11})(?![\w-])")
_MIN_NAME = 6
"""Characters of a name that means the same where one of two sets is not known."""


@dataclass(frozen=True, slots=True)
class VideoId:
    """The id of a video."""

    family: str
    """The set, of those whose ids are known; "" for another."""
    name: str
    youtube: str = ""
    start: float | None = None
    """Seconds of the film, and its end; None: not known."""
    end: float | None = None

    @property
    def is_number(self) -> bool:
        """True for a number that stands for a name: another file of the set may have the name."""
        return self.family in _NUMBERED and self.name.removeprefix("vid").isdecimal()

    def means(self, other: VideoId) -> bool:
        """True if the two are of one video, or of parts of one film that overlap."""
        if self.youtube and self.youtube == other.youtube:
            return self._overlaps(other)
        if self.name != other.name:
            return False
        if self.family and other.family:
            return self.family == other.family
        return not self.name.isdecimal() and len(self.name) >= _MIN_NAME

    def _overlaps(self, other: VideoId) -> bool:
        if self.start is None or self.end is None or other.start is None or other.end is None:
            return True
        return max(self.start, other.start) < min(self.end, other.end)


def family_of(*hints: str) -> str:
    """The set that names of a dataset or of its file speak of; the first hint that does so decides."""
    for hint in hints:
        for family, words in _FAMILIES.items():
            if any(word in hint.lower() for word in words):
                return family
    return ""


def read_id(
    text: str,
    family: str,
    numbers: Mapping[str, str] | None = None,
    film: tuple[str, float | None, float | None] = ("", None, None),
) -> VideoId:
    """The id that a text is.

    numbers: MSVD's names by number, {"vid1": name}. film: an address of the film that the video is from, and the
    seconds of it, where the set says so.
    """
    is_address = "://" in text and family != "tgif"  # a GIF is named by the end of its address
    name = text.strip() if is_address else text.strip().replace("\\", "/").rpartition("/")[2]
    stem, _, extension = name.rpartition(".")
    if stem and extension.lower() in MEDIA_EXTENSIONS:
        name = stem
    if family == "msrvtt":
        name = video_id(name)
    elif family == "msvd":
        name = f"vid{name}" if name.isdecimal() else name
        name = (numbers or {}).get(name, name)
    elif family == "didemo":
        name = name.partition(".")[0]  # of a video two entries have two extensions, or none
    elif family == "activitynet":
        name = name.removeprefix("v_")
    address = _ADDRESS.search(film[0]) or _ADDRESS.search(text)
    if address:
        return VideoId(family, make_key(name), address[1], film[1], film[2])
    found = _NAME.fullmatch(name) if family not in _NO_YOUTUBE else None
    if found is None or not re.search(r"[A-Z0-9_-]", found[1]) or found[1].isdecimal():
        return VideoId(family, make_key(name))
    times = (float(found[2]), float(found[3])) if found[2] else (None, None)
    return VideoId(family, make_key(name), found[1], *times)


class KnownIds:
    """Ids of videos with what they are ids of, to be asked for the same video."""

    def __init__(self, ids: Iterable[tuple[VideoId, int]]) -> None:
        """ids: with a number for each."""
        self._ids: dict[str, list[tuple[VideoId, int]]] = {}
        for identifier, number in ids:
            for name in {identifier.name, identifier.youtube} - {""}:
                self._ids.setdefault(name, []).append((identifier, number))

    def same_as(self, identifier: VideoId) -> int | None:
        """The number of the first known id of the same video, None if there is none."""
        for name in (identifier.name, identifier.youtube):
            for known, number in self._ids.get(name, ()) if name else ():
                if known.means(identifier):
                    return number
        return None


class Spelling:
    """Notes whether the ids of a set are names or numbers, which nobody can compare."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, bool], tuple[str, str]] = {}

    def note(self, ids: Collection[VideoId], where: str) -> None:
        """ids: all that one sample or record has. Raises OptionError where a set has samples of both kinds."""
        for identifier in ids:
            family = identifier.family
            if family in _NUMBERED:
                is_number = all(one.is_number for one in ids)
                self._seen.setdefault((family, is_number), (identifier.name, where))
                if {(family, True), (family, False)} <= self._seen.keys():
                    (number, there), (name, here) = self._seen[family, True], self._seen[family, False]
                    raise OptionError(
                        f"{family}: {there} has the number {number!r} and {here} the name {name!r}; nothing says which "
                        f"are the same: {_NUMBERED[family]}"
                    )
