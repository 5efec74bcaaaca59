"""The ledger of a fetch: which addresses gave nothing and why, so that the next run does not ask the dead ones again.

A JSON-lines file in the folder of the media: first the annotation file by name, size and a checksum of its beginning,
then a line for each failure with place, url, kind and reason. Promises: one process writes it at a time; a torn last
line is dropped; failures that may pass (timeouts, throttling, unknown hosts) are asked again, lasting ones (404, pages,
wrong types) only when the user says so. In memory is one bit a row.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shards.base import ConversionError
from tools.fetch.download import Wanted
from tools.fetch.failures import FetchFailed
from tools.rows import BadRow, OptionError

_HEAD_BYTES = 1 << 20


class Ledger:
    """An open ledger; made by `open_ledger`."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self._file = os.fdopen(handle, "r+b")
        self._dead = bytearray()
        """One bit for each row that need not be asked again."""

    def go_on(self, source: Mapping[str, Any], retry_all: bool) -> None:
        """Take up the lasting failures of earlier runs. Raises OptionError where they are of another file."""
        kept = [json.dumps(dict(source)).encode() + b"\n"]
        self._file.seek(0)
        for number, line in enumerate(self._file):
            content = _load(line)
            if content is None:
                break
            if number == 0 and content != source:
                raise OptionError(
                    f"{self.path}: is of {content.get('file')!r}, another annotation file of the same name; choose "
                    "another --out, or remove it to begin anew"
                )
            if number and content.get("lasting") and not retry_all:
                self._set(int(content.get("row", -1)))
                kept.append(line)
        self._file.seek(0)
        self._file.truncate()
        self._file.writelines(kept)
        self._file.flush()

    def is_dead(self, row: int) -> bool:
        """True if the address of this row need not be asked again."""
        return row >> 3 < len(self._dead) and bool(self._dead[row >> 3] & 1 << (row & 7))

    def add(self, wanted: Wanted, failed: FetchFailed) -> None:
        """File a failure, and hand it to the system."""
        where = {"place": wanted.place, "row": wanted.row, "url": wanted.url}
        self._write({**where, "kind": failed.kind, "reason": failed.args[0], "lasting": failed.is_lasting})

    def add_bad(self, bad: BadRow) -> None:
        """File a record that names no medium; every run meets it anew."""
        self._write({"place": bad.record_id, "kind": bad.kind, "reason": bad.reason, "lasting": False})

    def _write(self, content: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(content).encode() + b"\n")
        self._file.flush()

    def _set(self, row: int) -> None:
        if 0 <= row < 1 << 40:
            self._dead.extend(bytes(max(0, (row >> 3) + 1 - len(self._dead))))
            self._dead[row >> 3] |= 1 << (row & 7)


@contextmanager
def open_ledger(path: Path) -> Iterator[Ledger]:
    """The ledger at `path`, made if it is not there, locked for one process. Raises ConversionError."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    ledger = Ledger(path, handle)
    with ledger._file:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConversionError(f"{path}: another process is fetching into this folder; wait for it") from error
        yield ledger


def source_of(annotations: Path) -> dict[str, Any]:
    """What tells an annotation file from others."""
    with open(annotations, "rb") as file:
        digest = hashlib.sha256(file.read(_HEAD_BYTES)).hexdigest()[:16]
    return {"file": annotations.name, "bytes": annotations.stat().st_size, "head": digest}


def _load(line: bytes) -> dict[str, Any] | None:
    if not line.endswith(b"\n"):
        return None
    try:
        content = json.loads(line)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None
