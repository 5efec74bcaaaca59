"""A claim on a prefix of a store, the counterpart of the lock of a local folder: one run at a time writes there.

Promises: the claim is a file beside the unfinished work, created only if there is none; it names the process that holds
it and is renewed every minute. A claim is dead and may be taken over when its process no longer runs on this machine,
or when it was not renewed for ten minutes by the clocks of the two machines; the run that lost it is told at its next
file.
Gives up: stores without conditional creation of files; there two runs that start at the same moment may both hold the
claim until they renew it.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from typing import Any

from shards.base.errors import PrintableError
from shards.base.json_text import load_json
from shards.base.printing import logger

CLAIM_FILE = "claim.json"
_log = logger(__name__)
RENEW_SECONDS, DEAD_SECONDS = 60.0, 600.0


class Taken(PrintableError):
    """Another run holds the claim; the text names it."""


class Claim:
    """A claim that is held until `release`.

    files: the fsspec file system of the store. path: of the claim file in it. renew_seconds: between renewals.
    """

    def __init__(self, files: Any, path: str, renew_seconds: float = RENEW_SECONDS) -> None:
        self._files, self._path, self._renew_seconds = files, path, renew_seconds
        self._run = uuid.uuid4().hex
        self._lost = False
        self._ended = threading.Event()
        self._take()
        threading.Thread(target=self._renew, name="shards-claim", daemon=True).start()

    def check(self) -> None:
        """Raise Taken if another run has taken the claim over."""
        if self._lost:
            raise Taken("another run took over here, as this one had not been heard of; wait for it")

    def release(self) -> None:
        """Remove the claim, so that others may write."""
        if not self._ended.is_set():
            self._ended.set()
            if not self._lost and self._is_mine():
                self._files.rm_file(self._path)

    def _take(self) -> None:
        found = self._read()
        if found is not None:
            _check_dead(found)
            self._files.rm_file(self._path)
        try:
            self._files.pipe_file(self._path, self._content(), mode="create")
        except Exception:
            if self._read() is None:
                raise  # the file could not be created, for another reason than that it exists
        found = self._read()
        if found is not None and found.get("run") != self._run:
            raise Taken(_who(found))

    def _renew(self) -> None:
        while not self._ended.wait(self._renew_seconds):
            try:
                self._lost = not self._is_mine()
                if self._lost:
                    return
                self._files.pipe_file(self._path, self._content())
            except Exception as error:  # clients of stores raise errors of many kinds; the next renewal may succeed
                _log.warning("the claim on %s could not be renewed (%s); it is tried again", self._path, error)

    def _is_mine(self) -> bool:
        found = self._read()
        return found is not None and found.get("run") == self._run

    def _read(self) -> dict[str, Any] | None:
        try:
            found = load_json(self._files.cat_file(self._path))
        except FileNotFoundError:
            return None
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def _content(self) -> bytes:
        pid = os.getpid()
        about = {"run": self._run, "machine": _machine(), "host": socket.gethostname(), "pid": pid}
        return json.dumps({**about, "began": _began(pid), "renewed": time.time()}).encode()


def _check_dead(found: dict[str, Any]) -> None:
    """Raise Taken unless the run that made a claim has ended."""
    pid, renewed = found.get("pid"), found.get("renewed")
    if found.get("machine") == _machine() and isinstance(pid, int):
        if _began(pid) != found.get("began"):
            return
    elif not isinstance(renewed, (int, float)) or time.time() - renewed > DEAD_SECONDS:
        return
    raise Taken(_who(found))


def _who(found: dict[str, Any]) -> str:
    renewed = found.get("renewed")
    ago = f", last heard of {time.time() - renewed:.0f} s ago" if isinstance(renewed, (int, float)) else ""
    return (
        f"another run is at work there (process {found.get('pid')} on {found.get('host')}{ago}); wait for it, or take "
        f"another place; one that died is taken to be gone {DEAD_SECONDS / 60:.0f} minutes after that"
    )


def _machine() -> str:
    """Name of this boot of this machine and of its process namespace; empty if not known."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return f"{file.read().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _began(pid: int) -> str:
    """Start time of a process in ticks of the kernel; empty if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
