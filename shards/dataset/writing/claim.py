"""A claim on a prefix of a store: one run at a time writes there, as a lock does in a local folder.

Promises: the claim is a file beside the unfinished work, made only where there is none; it says which process holds it
and is renewed every minute. A claim is dead, and taken over, when its process is gone from this machine, or when it
was not renewed for ten minutes by the clocks of the two machines; whoever held it learns that with its next file.
Gives up: stores that cannot make a file only where there is none; there two runs that start in the same moment may both
believe that they are first, until they renew their claims.
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
    """Another run holds the claim; the text says which."""


class Claim:
    """files: of fsspec. path: of the claim there. renew_seconds: from one renewal to the next."""

    def __init__(self, files: Any, path: str, renew_seconds: float = RENEW_SECONDS) -> None:
        self._files, self._path, self._renew_seconds = files, path, renew_seconds
        self._run = uuid.uuid4().hex
        self._lost = False
        self._ended = threading.Event()
        self._take()
        threading.Thread(target=self._renew, name="shards-claim", daemon=True).start()

    def check(self) -> None:
        """Raise Taken where another run has taken it over."""
        if self._lost:
            raise Taken("another run took over here, as this one had not been heard of; wait for it")

    def release(self) -> None:
        """Leave the place to others."""
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
                raise  # it is not that one was there
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
            except Exception as error:  # whatever a store's client raises; the next minute may be better
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
    """Raise Taken unless the run that made a claim is gone."""
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
    """This boot of this machine, and the space in which its process numbers count."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return f"{file.read().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _began(pid: int) -> str:
    """When a process began, as the kernel counts; empty where there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
