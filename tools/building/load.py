"""The work on one row of a build: its medium is read, probed, checked and transcoded, wherever the engine runs it."""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import dataclass
from typing import Any

from shards.base import ConversionError, MediaError, logger, printable
from shards.dataset import MAX_MEDIA_BYTES
from shards.media import (
    MEDIA_EXTENSIONS,
    STILL_BESIDE_FILM,
    KeyFrames,
    MediaFacts,
    is_still_beside_film,
    kind_of,
    probe_table,
)
from tools.media.check import CHECKS, check_decodes
from tools.media.profiles import Profile
from tools.media.transcode import transcode
from tools.rows import BAD_MEDIA, BadRow, OptionError, Row

_logger = logger(__name__)

_FAULTS_OF_THE_FILE = (errno.ENOENT, errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.ELOOP)
"""Errors of reading that concern one file; any other is a fault of the machine and stops the build."""


@dataclass(frozen=True, slots=True)
class Treatment:
    """What is done with a medium. Raises OptionError for choices that do not fit each other."""

    profile: Profile | None = None
    """Transcode it so; None: keep its bytes."""
    check: str | None = None
    """Decode frames of what is stored (tools/media/check.py)."""
    facts: bool = True
    """Probe it; without, nothing is known of a medium but its bytes."""

    def __post_init__(self) -> None:
        if self.check is not None and self.check not in CHECKS:
            raise OptionError(f"--check-media {self.check}: give {' or '.join(CHECKS)}")
        if not self.facts and (self.profile is not None or self.check is not None):
            raise OptionError("--no-facts: media are not looked at; leave out --media-profile and --check-media, or it")

    def provenance(self) -> dict[str, Any]:
        """Its choices beside the profile that differ from the usual ones."""
        return {
            **({"check_media": self.check} if self.check is not None else {}),
            **({} if self.facts else {"facts": False}),
        }


@dataclass(frozen=True, slots=True)
class Loaded:
    """A row with its medium as it is to be stored."""

    row: Row
    media: bytes
    ext: str
    facts: MediaFacts
    key_frames: KeyFrames | None


@dataclass(frozen=True, slots=True)
class Unread:
    """A row whose medium could not be read where the work is done."""

    path: str
    host: str
    reason: BadRow

    def settle(self) -> BadRow:
        """The reason for the quarantine. Raises ConversionError if this machine can read the file."""
        if os.access(self.path, os.R_OK):
            raise ConversionError(
                f"{self.path}: this machine can read it, a worker on {self.host} cannot ({self.reason.reason}); media "
                "must lie where all workers see them (a shared file system); then start again"
            )
        return self.reason


def load(row: Row | BadRow, source: str, treatment: Treatment) -> Loaded | Unread | BadRow:
    """Read one medium, make of it what the profile says, and probe it. source: of the rows, for reasons."""
    if isinstance(row, BadRow):
        return row
    record_id = row.record_id
    what = row.media_path if row.media_path is not None else f"the {row.extension} given with it"

    def bad(why: str) -> BadRow:
        return BadRow.at(record_id, source, BAD_MEDIA, f"{what}: {why}")

    if row.extension not in MEDIA_EXTENSIONS:
        return bad(f"extension {row.extension!r} is none of {', '.join(MEDIA_EXTENSIONS)}; convert or rename the file")
    try:
        media = row.media if row.media is not None else _read(os.fspath(row.media_path or ""))
    except OSError as error:
        if error.errno not in _FAULTS_OF_THE_FILE:
            raise
        why = bad(f"cannot be read ({error.strerror}); correct it, or accept the loss")
        return Unread(os.fspath(row.media_path or ""), socket.gethostname(), why)
    if media is None or len(media) > MAX_MEDIA_BYTES:
        return bad(f"has more than {MAX_MEDIA_BYTES} bytes; cut it, or accept the loss")
    if not media:
        return bad("is empty; fetch it again, or accept the loss")
    try:
        loaded = _treat(row, media, treatment, str(what))
        if treatment.check is not None:
            check_decodes(loaded.media, loaded.facts, treatment.check)
        return loaded
    except MediaError as error:
        return bad(f"{error.advice}, or accept the loss")


def _treat(row: Row, media: bytes, treatment: Treatment, what: str) -> Loaded:
    if treatment.profile is not None:
        made = transcode(media, row.extension, treatment.profile)
        return Loaded(row, made.media, made.ext, made.facts, made.key_frames)
    if not treatment.facts:
        return Loaded(row, media, row.extension, MediaFacts(kind_of(row.extension).name, "", 0, 0, 0), None)
    facts, found = probe_table(media, f"{row.key}.{row.extension}")
    if is_still_beside_film(media, facts):
        _logger.warning("%s: %s", printable(what), STILL_BESIDE_FILM)
    return Loaded(row, media, row.extension, facts, KeyFrames.of(found))


def _read(path: str) -> bytes | None:
    """The bytes of a file; None if there are more than a sample may have."""
    with open(path, "rb") as file:
        return None if os.fstat(file.fileno()).st_size > MAX_MEDIA_BYTES else file.read()
