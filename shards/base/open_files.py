"""Open files: those that the sources of a process keep open for reading, with one budget for all.

Promises: at most half of the descriptors that the process may have (`ulimit -n`) are kept, and less where other code
in it has many, whatever the number of datasets and shards; where more are wanted, the soft limit is raised as far as
the hard one allows. The file that was not used for longest makes room for the next; one that a thread is reading is
closed when the thread is done with it. Where the system refuses one more descriptor, some files are closed and it is
asked again. A fork goes on with the files that it finds open.
"""

from __future__ import annotations

import errno
import os
import resource
import threading
import weakref
from collections import deque

_MOST, _MOST_EACH = 4096, 128
"""The most files that are kept open, in all and of each folder: more do not make reading faster."""
_LEAST = 8
"""Files that are kept open even where the process has few descriptors left."""
_LOOK_AFTER = 64
"""Opened files after which the budget is computed anew."""


class OpenFile:
    """A file that is closed when its last user drops it: another thread may be inside pread just now."""

    __slots__ = ("__weakref__", "_name", "_owner", "fd", "is_used")

    def __init__(self, path: str, owner: weakref.ref[OpenFiles], name: str) -> None:
        self.fd = -1
        self.fd = open_fd(path, os.O_RDONLY)
        self._owner, self._name = owner, name
        self.is_used = True
        """True if it was used since `_close_one` last came to it."""

    def leave(self) -> None:
        """Leave the kept files: the next user opens the file anew."""
        owner = self._owner()
        if owner is not None and owner.files.get(self._name) is self:
            del owner.files[self._name]

    def __del__(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)


class OpenFiles:
    """The open files of one folder; they are closed when this object is collected."""

    def __init__(self, folder: str) -> None:
        self.files: dict[str, OpenFile] = {}
        self._folder = folder
        self._self = weakref.ref(self)

    def get(self, name: str) -> OpenFile:
        """An open file of the folder; hold the object while you read. Raises OSError."""
        file = self.files.get(name)
        if file is None:
            file = _KEPT.add(OpenFile(os.path.join(self._folder, name), self._self, name), self.files, name)
        file.is_used = True
        return file


class _Kept:
    """All files of the process that are kept open, in the order in which they are closed (a second-chance queue)."""

    def __init__(self) -> None:
        self._line: deque[weakref.ref[OpenFile]] = deque()
        """The next to close comes first; some are closed already."""
        self._most, self._looked = 0, _LOOK_AFTER
        """The budget, and how many files were opened since it was computed."""
        self._lock = threading.Lock()

    def add(self, file: OpenFile, files: dict[str, OpenFile], name: str) -> OpenFile:
        """Keep a file open, and give it; if another thread was faster, the file that it opened."""
        with self._lock:
            found = files.get(name)
            if found is not None:
                return found
            if len(files) >= _MOST_EACH:
                _next_to_go(files).leave()
            self._looked += 1
            if len(self._line) >= self._most or self._looked >= _LOOK_AFTER:
                self._line = deque(ref for ref in self._line if ref() is not None)
                if self._looked >= _LOOK_AFTER:
                    self._looked, self._most = 0, _budget(len(self._line) + _LOOK_AFTER, len(self._line))
                while len(self._line) >= self._most and self._close_one():
                    pass
            self._line.append(weakref.ref(file))
            files[name] = file
            return file

    def close_some(self) -> bool:
        """Close a quarter of the files, to make room for other descriptors; False if there is nothing to close."""
        with self._lock:
            before = len(self._line)
            for _ in range(max(1, before // 4)):
                self._close_one()
            self._looked = _LOOK_AFTER
            return len(self._line) < before

    def _close_one(self) -> bool:
        """Close the next file; one that was used since it last came up goes to the end of the line instead, once."""
        while self._line:
            file = self._line[0]()
            if file is not None and file.is_used:
                file.is_used = False
                self._line.rotate(-1)
                continue
            if file is not None:
                file.leave()
            self._line.popleft()
            return True
        return False

    def after_fork(self) -> None:
        """Make a new lock: the thread that held the old one may not exist in the child."""
        self._lock = threading.Lock()


def _next_to_go(files: dict[str, OpenFile]) -> OpenFile:
    """The oldest file of a folder that was not used since it last came up; used ones go to the end, once."""
    while True:
        name, file = next(iter(files.items()))
        if not file.is_used:
            return file
        file.is_used = False
        files[name] = files.pop(name)


_KEPT = _Kept()
os.register_at_fork(after_in_child=_KEPT.after_fork)


def open_fd(path: str, flags: int, mode: int = 0o666, dir_fd: int | None = None) -> int:
    """`os.open` that closes kept files when the process has no descriptor left. Raises OSError."""
    while True:
        try:
            return os.open(path, flags | os.O_CLOEXEC, mode, dir_fd=dir_fd)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE) or not _KEPT.close_some():
                raise


def too_many() -> str:
    """The message for a process that cannot open another file."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return f"this process has as many files open as it may ({most}); close some, or raise the limit (ulimit -n)"


def allowed(wanted: int) -> int:
    """The number of files, `wanted` at most, that may be held open for long; raises the soft limit if needed."""
    return min(wanted, _budget(wanted, 0))


def _budget(wanted: int, kept: int) -> int:
    """The number of descriptors that may be kept open, if `wanted` are wanted and `kept` are open.

    Half of what the process may have, or less where other code in it has many. Raises the soft limit if needed.
    """
    wanted = min(wanted, _MOST)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _MOST
    others = max(0, _num_open(soft) - kept)
    if wanted > _share(soft, others):
        target = 2 * _MOST if hard == resource.RLIM_INFINITY else min(hard, 2 * _MOST)
        if target > soft:
            resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
            soft = target
    return max(_LEAST, min(_MOST, _share(soft, others)))


def _share(soft: int, others: int) -> int:
    return min(soft // 2, (soft - others) * 3 // 4)


def _num_open(most: int) -> int:
    """The number of descriptors that the process has open."""
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError as error:  # no such folder on this system, or no descriptor left to list it
        return most if error.errno in (errno.EMFILE, errno.ENFILE) else 0
