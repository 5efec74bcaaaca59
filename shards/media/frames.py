"""Frame samples: a few pictures of a video in one member KEY.zip, read one by one.

The zip is stored, not deflated, and holds 00000.jpg 00001.jpg ... (or .webp) and facts.json: {"fps", "duration",
"times"}, the rate of the stored frames, the length of the video that they come from in seconds, and of each frame the
time since that video's first. A clip plan chooses among the stored frames by their number.
Promises: one picture is read without unpacking the others, and its CRC is compared; names are looked at for the order
and never become paths; whatever the bytes are, the answer is pictures and facts or a MediaError. Refused are: more than
4096 pictures, deflated or encrypted ones, names of any other form, ZIP64, comments, and facts that do not fit.
Not checked: that all pictures have one size; the facts have that of the first, and a plan scales the others to it.
"""

from __future__ import annotations

import io
import json
import math
import re
import struct
import zipfile
from collections.abc import Sequence
from itertools import pairwise

from shards.base.errors import MediaError
from shards.media.facts import KeyFrame, MediaFacts
from shards.media.pictures.colours import to_rgb
from shards.media.pictures.picture import open_image
from shards.media.videos.time_marks import with_marks

MAX_FRAMES = 4096
PICTURES = ("jpg", "webp")
"""Extensions of the pictures."""

_FACTS = "facts.json"
_MAX_FACTS_BYTES = 1 << 18
_NAME = re.compile(rf"(\d{{1,8}})\.({'|'.join(PICTURES)})")
_END = struct.Struct("<4s4H2LH")
"""The last record of a zip: signature, disks (2), entries here, entries, bytes and offset of the list of entries,
bytes of the comment."""
_END_SIGNATURE, _ZIP64_LOCATOR, _LOCATOR_BYTES = b"PK\5\6", b"PK\6\7", 20
_ENTRY_BYTES = 128
"""The largest average size of an entry in the list; ours take 55."""
# What zipfile raises on bad bytes; a KeyError or TypeError would be our own mistake.
_ZIP_ERRORS = (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, OSError, EOFError, struct.error)


def pack_frames(pictures: Sequence[bytes], ext: str, fps: float, duration: float, times: Sequence[float]) -> bytes:
    """Make the member of a frame sample: equal bytes for equal arguments. fps, duration, times: see the module."""
    if not 1 <= len(pictures) == len(times) <= MAX_FRAMES or ext not in PICTURES:
        allowed = f"1 to {MAX_FRAMES} with as many times, .{' or .'.join(PICTURES)}"
        raise ValueError(f"{len(pictures)} pictures .{ext} with {len(times)} times; allowed: {allowed}")
    facts = json.dumps({"fps": fps, "duration": duration, "times": list(times)}, allow_nan=False)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        names = (f"{number:05d}.{ext}" for number in range(len(pictures)))
        for name, data in zip((*names, _FACTS), (*pictures, facts.encode()), strict=True):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, 0o444 << 16
            archive.writestr(entry, data)
    return out.getvalue()


class FramePictures:
    """The pictures of a frame sample, in order. Raises MediaError."""

    def __init__(self, data: bytes) -> None:
        _check_end(data)
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(data))
            entries = self._archive.infolist()
        except _ZIP_ERRORS as error:
            raise _not_frames(str(error)) from error
        numbered: dict[int, zipfile.ZipInfo] = {}
        facts: zipfile.ZipInfo | None = None
        for entry in entries:
            name = _NAME.fullmatch(entry.filename)
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
                raise _not_frames(f"{entry.filename[:40]!r} is compressed; pictures are stored as they are")
            if entry.filename == _FACTS and facts is None:
                facts = entry
            elif name and int(name[1]) not in numbered:
                numbered[int(name[1])] = entry
            else:
                raise _not_frames(
                    f"holds {entry.filename[:40]!r} beside others; expected 00000.jpg or .webp and on, and {_FACTS}"
                )
        if sum(entry.file_size for entry in entries) > len(data):
            raise _not_frames("its pictures lie in one another")
        self._entries = [numbered[number] for number in sorted(numbered)]
        if not 1 <= len(self._entries) <= MAX_FRAMES or facts is None or facts.file_size > _MAX_FACTS_BYTES:
            found = f"{len(self._entries)} and {f'one of {facts.file_size}' if facts else 'none'}"
            raise _not_frames(
                f"expected 1 to {MAX_FRAMES} pictures and a {_FACTS} of up to {_MAX_FACTS_BYTES} bytes, found {found}"
            )
        self.fps, self.duration, self.times = _parse_facts(self._read(facts), len(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def picture(self, number: int) -> bytes:
        """The bytes of a picture by its number. Raises MediaError."""
        if not 0 <= number < len(self):
            raise MediaError(f"frame {number} was planned but {len(self)} are stored")
        return self._read(self._entries[number])

    def _read(self, entry: zipfile.ZipInfo) -> bytes:
        try:
            return self._archive.read(entry)
        except _ZIP_ERRORS as error:
            raise _not_frames(f"{entry.filename!r}: {error}") from error


def probe_frames(data: bytes) -> tuple[MediaFacts, list[KeyFrame]]:
    """The facts and time marks of a frame sample; all pictures are opened, the first is decoded. Raises MediaError."""
    frames = FramePictures(data)
    facts: MediaFacts | None = None
    for number in range(len(frames)):
        with open_image(frames.picture(number)) as (image, turn):
            if facts is None:
                to_rgb(image)
                width, height = image.size[::-1] if turn.swaps_sides else image.size
                codec = (image.format or "").lower()
                start = frames.times[0]
                facts = MediaFacts("frames", codec, width, height, len(frames), frames.fps, frames.duration, start)
    assert facts is not None
    return facts, with_marks([], frames.times, facts.duration)


def _check_end(data: bytes) -> None:
    """Bound the memory that zipfile takes, before it reads anything."""
    if len(data) < _END.size:
        raise _not_frames(f"has {len(data)} bytes")
    signature, _, _, _, entries, size, start, comment = _END.unpack_from(data, len(data) - _END.size)
    locator = len(data) - _END.size - _LOCATOR_BYTES
    if signature != _END_SIGNATURE or comment or data[max(0, locator) :].startswith(_ZIP64_LOCATOR):
        raise _not_frames("does not end as a plain zip without comment does")
    if entries > MAX_FRAMES + 1 or size > (MAX_FRAMES + 1) * _ENTRY_BYTES or start + size + _END.size != len(data):
        raise _not_frames(f"its end claims {entries} entries in {size} bytes at byte {start} of {len(data)}")


def _parse_facts(text: bytes, num_frames: int) -> tuple[float, float, tuple[float, ...]]:
    try:
        facts = json.loads(text)
        fps, duration = float(facts["fps"]), float(facts["duration"])
        times = tuple(float(time) for time in facts["times"])
    except (ValueError, RecursionError, LookupError, TypeError, OverflowError) as error:
        raise _not_frames(f"{_FACTS} cannot be read ({type(error).__name__}: {str(error)[:80]})") from error
    numbers = (fps, duration, *times)
    if len(times) != num_frames or not all(map(math.isfinite, numbers)) or min(fps, duration) < 0:
        raise _not_frames(f"{_FACTS} has {len(times)} times for {num_frames} pictures, fps {fps}, duration {duration}")
    if any(before > after for before, after in pairwise(times)):
        raise _not_frames(f"{_FACTS} has times that run backwards")
    return fps, duration, times


def _not_frames(why: str) -> MediaError:
    return MediaError(f"not a frame sample: {why}")
