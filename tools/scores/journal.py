"""The journal of a run: what was scored so far, so that a killed run goes on with it.

A file of JSON lines beside the table: first the settings of the run, then a line for each chunk, in the order in which
they were done. Promises: one process writes it at a time; a line that a kill has cut off is dropped, and its chunk done
again; a journal of other settings is refused. In memory is only where the line of each chunk begins.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from shards.base import ConversionError
from tools.rows import OptionError
from tools.scores.work import Chunk, Failure, Scored


class Journal:
    """An open journal; made by `open_journal`."""

    def __init__(self, path: str, handle: int) -> None:
        self.path = path
        self._file = os.fdopen(handle, "r+b")
        self._at: dict[tuple[int, int], int] = {}
        """Where the line of a chunk begins, by shard and first row."""

    def __contains__(self, chunk: Chunk) -> bool:
        return (chunk.shard, chunk.first) in self._at

    def go_on(self, settings: Mapping[str, Any]) -> None:
        """Take up what an earlier run of these settings has written, or begin. Raises OptionError."""
        end = self._file.seek(0, os.SEEK_END)
        self._file.seek(0)
        begin = 0
        for number, line in enumerate(self._file):
            content = _load(line)
            if content is None:
                break
            if number == 0:
                self._compare(content, settings)
            else:
                self._at[content["shard"], content["first"]] = begin
            begin += len(line)
        if begin < end:
            self._file.truncate(begin)
        self._file.seek(begin)
        if begin == 0:
            self._write(dict(settings))

    def add(self, scored: Scored) -> None:
        """Write a chunk, and hand it to the system."""
        chunk, rows, failures = scored
        self._at[chunk.shard, chunk.first] = self._file.seek(0, os.SEEK_END)
        self._write({"shard": chunk.shard, "first": chunk.first, "stop": chunk.stop, "rows": rows, "failed": failures})

    def chunks(self) -> Iterator[Scored]:
        """All chunks by shard and row."""
        for place in sorted(self._at):
            self._file.seek(self._at[place])
            line = json.loads(self._file.readline())
            chunk = Chunk(line["shard"], line["first"], line["stop"])
            rows = [(key, values) for key, values in line["rows"]]
            yield Scored(chunk, rows, [Failure(*failure) for failure in line["failed"]])

    def _write(self, content: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(content, allow_nan=False).encode() + b"\n")
        self._file.flush()

    def _compare(self, found: Any, settings: Mapping[str, Any]) -> None:
        if found != json.loads(json.dumps(settings)):
            raise OptionError(f"{self.path}: {difference(found, settings)}; remove that file to begin anew")


@contextmanager
def open_journal(path: str) -> Iterator[Journal]:
    """The journal at `path`, made if it is not there, locked for one process. Raises ConversionError."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    journal = Journal(path, handle)
    with journal._file:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConversionError(
                f"{path}: another process is writing it; wait for it, or choose another --out"
            ) from error
        yield journal


def difference(found: Any, settings: Mapping[str, Any]) -> str:
    """Says in which settings an earlier run differs from this one."""
    if not isinstance(found, dict):
        return "was not written by this command"
    names = [name for name in settings if found.get(name) != settings[name]]
    shown = [f"{name} {found.get(name)!r}, now {settings[name]!r}" for name in names]
    return f"was made with other settings ({'; '.join(shown) or 'more of them'})"


def _load(line: bytes) -> dict[str, Any] | None:
    """The content of a whole line; None for one that was cut off."""
    if not line.endswith(b"\n"):
        return None
    try:
        content = json.loads(line)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None
