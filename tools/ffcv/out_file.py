"""The output file of an FFCV export: written whole or not at all, by one process at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from shards.base import ConversionError
from tools.rows import OptionError


@contextmanager
def written_aside(out: str) -> Iterator[tuple[str, str, int]]:
    """Temporary files beside `out`, locked for one process: (file, quarantine, handle of the file)."""
    folder, name = os.path.split(os.path.abspath(out))
    if not os.path.isdir(folder):
        raise OptionError(f"{out}: there is no folder {folder}; make it first")
    if not name.endswith(".beton"):
        raise OptionError(f"{out}: the name should end with .beton; give such a name")
    part = os.path.join(folder, f".{name}.part")
    quarantine_part = os.path.join(folder, f".{name}.quarantine.part")
    handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConversionError(
                f"{out}: another process is writing it; wait for it or choose another name"
            ) from error
        try:
            if os.path.exists(out):
                raise OptionError(f"{out}: is there already; remove it, or choose another name")
            yield part, quarantine_part, handle
        finally:
            for path in (part, quarantine_part):
                with suppress(FileNotFoundError):
                    os.unlink(path)
    finally:
        os.close(handle)
