"""A process that a launcher started ends when the launcher is gone, also by kill -9.

Promises: once a launcher above this process has ended, whatever ended it, this process gets a SIGTERM: train.py then
saves a checkpoint and exits with its code for that, other programs just end. Launchers are deepspeed's two (the command
itself, and the process of each node that starts the ranks) and torchrun. What someone started by hand is left alone,
also when its shell goes away (nohup), and so is a launcher's own parent.
Gives up: a launcher that ends in the first seconds, before the call, if a process other than init adopts its children;
launchers that end their ranks themselves (mpirun, srun); systems other than Linux.
"""

from __future__ import annotations

import os
import select
import signal
import threading
from pathlib import Path

from shards.base import logger

_logger = logger(__name__)
_SET_BY_LAUNCHERS = ("CROSS_RANK", "TORCHELASTIC_RUN_ID")
_PROGRAMS = ("deepspeed", "deepspeed.pt", "ds", "torchrun")
_MODULES = ("deepspeed.launcher.runner", "deepspeed.launcher.launch", "torch.distributed.run")
_INIT = 1


def end_with_launcher() -> None:
    """Watch the launchers above this process, if there are any, in a thread that waits for their end."""
    if not any(name in os.environ for name in _SET_BY_LAUNCHERS) or not hasattr(os, "pidfd_open"):
        return
    try:
        launchers = _open_launchers()
    except ProcessLookupError:
        return _end("ended while this process started")
    except OSError as error:  # a kernel or a sandbox without pidfd
        return _logger.warning("the launcher cannot be watched (%s); if it is killed, end this process by hand", error)
    if launchers:
        threading.Thread(target=_wait, args=(launchers,), name="launcher", daemon=True).start()
    elif os.getppid() == _INIT:
        _end("ended before this process had started")


def _open_launchers() -> list[int]:
    """A file descriptor of each launcher, from the nearest up. Raises ProcessLookupError when one ended meanwhile."""
    found = []
    child = os.getpid()
    while _is_launcher(parent := _parent(child)):
        found.append(os.pidfd_open(parent))
        if _parent(child) != parent:  # it ended before it was opened, and the number may be another's by now
            raise ProcessLookupError(parent)
        child = parent
    return found


def _parent(pid: int) -> int:
    """The parent of a process. Raises ProcessLookupError."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError as error:
        raise ProcessLookupError(pid) from error
    return int(fields.rpartition(")")[2].split()[1])


def _is_launcher(pid: int) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
    except OSError:
        return False  # another user's, or gone
    # python -u -m MODULE, python /bin/PROGRAM, or PROGRAM; what follows are options and may be any word
    head = words[: next((i + 1 for i, word in enumerate(words) if i and not word.startswith("-")), len(words))]
    return any(word in _MODULES for word in head) or any(os.path.basename(word) in _PROGRAMS for word in head)


def _wait(launchers: list[int]) -> None:
    ended = select.poll()
    for launcher in launchers:
        ended.register(launcher, select.POLLIN)
    ended.poll()
    _end("is gone")


def _end(why: str) -> None:
    _logger.warning("process %d: the launcher %s; ending as by SIGTERM", os.getpid(), why)
    os.kill(os.getpid(), signal.SIGTERM)
