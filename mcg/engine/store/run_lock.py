"""One run at a time in a run folder, also where several machines share it.

RUN/lock names the holder (host, pid, since); it is made with O_EXCL, which every shared file system keeps, and nothing
relies on flock. A holder on this machine is asked for by its pid, and one that has died is taken over at once. A holder
elsewhere shows life by touching the file every 20 s: whoever waits sees it touched and is refused, or sees nothing for
two minutes and takes over. Both times are read from the file system's own clock, so clocks may differ.
Gives up: a holder that was stopped for more than two minutes learns only before its next save that it lost the folder.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shards.base import PrintableError, load_json, logger, say

TOUCH_SECONDS = 20.0
STALE_SECONDS = 120.0
_logger = logger(__name__)


class RunLocked(PrintableError, RuntimeError):
    """A run folder that another run holds, or that cannot be held."""


class RunLock:
    """The right to write into a run folder, for as long as it is held; of rank 0, for all."""

    def __init__(self, file: Path, token: str) -> None:
        self._file, self._token = file, token
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._stay_alive, name="run lock", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise RunLocked if another run has taken the folder meanwhile, as it may from one that had stopped."""
        holder = _read(self._file)
        if holder is not None and holder.get("token") != self._token:
            raise RunLocked(f"{self._file.parent}: {_told(holder)} has taken it over meanwhile; nothing more is saved")

    def release(self) -> None:
        """Give the folder back."""
        self._released.set()
        self._thread.join()
        if (_read(self._file) or {}).get("token") == self._token:
            self._file.unlink(missing_ok=True)

    def _stay_alive(self) -> None:
        while not self._released.wait(TOUCH_SECONDS):
            with suppress(OSError):  # a server that is away for a moment, or a full disk
                os.utime(self._file)


@contextmanager
def hold(run_dir: str | Path) -> Iterator[RunLock | None]:
    """Hold a run folder for a run of all ranks; the lock on rank 0, None elsewhere. Raises RunLocked on every rank."""
    from mcg import distributed

    lock, problem = None, None
    if distributed.rank() == 0:
        try:
            lock = acquire(run_dir)
        except RunLocked as error:
            problem = str(error)
        except OSError as error:
            problem = f"{run_dir}: cannot be written to ({error.strerror}); make room or name another run_dir"
    problems = distributed.gather_objects([problem] if problem is not None else [])
    if problems:
        raise RunLocked(problems[0])
    try:
        yield lock
    finally:
        if lock is not None:
            lock.release()


def acquire(run_dir: str | Path) -> RunLock:
    """Take a run folder for this process, waiting for a holder elsewhere to show life. Raises RunLocked, OSError."""
    file, token = Path(run_dir) / "lock", secrets.token_hex(8)
    waiting_for: str | None = None
    while True:
        try:
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            holder = _read(file)
            seen = _last_sign(file)
            if seen is None:
                continue  # given back this moment
        else:
            try:
                with open(descriptor, "w") as stream:
                    json.dump({**_me(), "token": token}, stream)
            except OSError:
                file.unlink()  # of a full disk; an empty lock would be held by nobody
                raise
            return RunLock(file, token)
        if holder is None:  # being written, or cut off: judged by its age alone
            holder = {"token": None}
        if _is_dead(holder) or _now(file) - seen >= STALE_SECONDS:
            if _take_away(file):
                _logger.warning("%s: taken over from %s, which has ended", file.parent, _told(holder))
            continue
        if _is_here(holder):
            raise _refusal(file, holder)
        if waiting_for is None:
            waiting_for = str(holder.get("token"))
            say(f"{file.parent}: held by {_told(holder)}; waiting for a sign of life of it", sys.stderr)
        time.sleep(TOUCH_SECONDS / 20)
        if (later := _last_sign(file)) is not None and later > seen:
            raise _refusal(file, holder)


def _refusal(file: Path, holder: dict[str, Any]) -> RunLocked:
    return RunLocked(
        f"{file.parent}: {_told(holder)} is training there; wait for it, end it, or use another run_dir (if it is "
        f"surely gone, remove {file})"
    )


def _take_away(file: Path) -> bool:
    """Remove the lock of a holder that is gone; True if this process did. One process at a time decides, so that none
    removes the lock of another that was faster."""
    guard = file.with_name("lock.takeover")
    try:
        guard.mkdir()
    except FileExistsError:
        with suppress(FileNotFoundError, OSError):  # its maker may have died in the middle
            if _now(file) - guard.stat().st_mtime >= STALE_SECONDS:
                guard.rmdir()
        time.sleep(0.05)
        return False
    try:
        seen, found = _last_sign(file), _read(file) or {}
        gone = seen is not None and (_is_dead(found) or _now(file) - seen >= STALE_SECONDS)
        if gone:
            file.unlink(missing_ok=True)
        return gone
    finally:
        guard.rmdir()


def _me() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": _machine(),
        "started": _started(os.getpid()),
    }


def _machine() -> str:
    """This machine since its start, and this container in it: where a pid means one process."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{socket.gethostname()} {boot} {os.readlink('/proc/self/ns/pid')}"
    return ""


def _started(pid: int) -> str | None:
    """When a process began, so that a later one with its pid is not taken for it; None if there is no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def _is_here(holder: dict[str, Any]) -> bool:
    return bool(holder.get("machine")) and holder.get("machine") == _machine()


def _is_dead(holder: dict[str, Any]) -> bool:
    """True if the holder was a process of this machine that has ended."""
    pid = holder.get("pid")
    return _is_here(holder) and isinstance(pid, int) and _started(pid) != holder.get("started")


def _told(holder: dict[str, Any]) -> str:
    if "pid" not in holder:
        return "another run"
    return f"the run of host {holder.get('host')}, pid {holder.get('pid')}, since {holder.get('since')}"


def _read(file: Path) -> dict[str, Any] | None:
    try:
        found = load_json(file.read_bytes(), 1 << 16)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _last_sign(file: Path) -> float | None:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return None


def _now(file: Path) -> float:
    """The time of the file system that holds a file."""
    probe = file.with_name(f"lock.{secrets.token_hex(8)}")
    try:
        probe.touch()
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)
