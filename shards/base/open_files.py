"""Files that are kept open for reading, by all sources of the process together: one budget.

Promises: at most half of the descriptors that the process may have (`ulimit -n`) are kept, and less where others in it
have many, whatever the number of datasets and shards; where more are wanted, the soft limit is raised as far as the
hard one allows. What was not used lately makes room for the next file; one that a thread reads just now is closed when
the thread is done with it. Where the system refuses one more descriptor, some are closed and it is asked again. A fork
goes on with the files that it finds open.
"""

from __future__ import annotations

import errno
import os
import resource
import threading
import weakref
from collections import deque

_MOST, _MOST_EACH = 4096, 128
"""Files that are kept at most, of all folders and of each: more do not make reading faster."""
_LEAST = 8
_LOOK_AFTER = 64
"""Files opened until it is found anew how many there may be."""


class OpenFile:
    """A file that is closed when its last user drops it: another thread may be inside pread just now."""

    __slots__ = ("__weakref__", "_name", "_owner", "fd", "is_used")

    def __init__(self, path: str, owner: weakref.ref[OpenFiles], name: str) -> None:
        self.fd = -1
        self.fd = open_fd(path, os.O_RDONLY)
        self._owner, self._name = owner, name
        self.is_used = True
        """Since it was last looked at for closing."""

    def leave(self) -> None:
        """Be opened anew by whoever wants it next."""
        owner = self._owner()
        if owner is not None and owner.files.get(self._name) is self:
            del owner.files[self._name]

    def __del__(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)


class OpenFiles:
    """Those of one folder; they are closed when it is collected."""

    def __init__(self, folder: str) -> None:
        self.files: dict[str, OpenFile] = {}
        self._folder = folder
        self._self = weakref.ref(self)

    def get(self, name: str) -> OpenFile:
        """A file of the folder, open; hold it as long as you read. Raises OSError."""
        file = self.files.get(name)
        if file is None:
            file = _KEPT.add(OpenFile(os.path.join(self._folder, name), self._self, name), self.files, name)
        file.is_used = True
        return file


class _Kept:
    """All files of the process that are kept open."""

    def __init__(self) -> None:
        self._line: deque[weakref.ref[OpenFile]] = deque()
        """The next to be closed first, some that are closed already among them."""
        self._most, self._looked = 0, _LOOK_AFTER
        """How many there may be, and how many were opened since that was found."""
        self._lock = threading.Lock()

    def add(self, file: OpenFile, files: dict[str, OpenFile], name: str) -> OpenFile:
        """Keep a file; another one where another thread was faster."""
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
        """Make room for other descriptors; False where there is nothing to close."""
        with self._lock:
            before = len(self._line)
            for _ in range(max(1, before // 4)):
                self._close_one()
            self._looked = _LOOK_AFTER
            return len(self._line) < before

    def _close_one(self) -> bool:
        """Take the next one out of the line; one that was used since it was last looked at goes to the end once."""
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
        """The thread that held the lock may have stayed behind."""
        self._lock = threading.Lock()


def _next_to_go(files: dict[str, OpenFile]) -> OpenFile:
    """The oldest that was not used since it was last looked at; those that were go to the end once."""
    while True:
        name, file = next(iter(files.items()))
        if not file.is_used:
            return file
        file.is_used = False
        files[name] = files.pop(name)


_KEPT = _Kept()
os.register_at_fork(after_in_child=_KEPT.after_fork)


def open_fd(path: str, flags: int, mode: int = 0o666, dir_fd: int | None = None) -> int:
    """`os.open` that closes kept files where there are too many. Raises OSError."""
    while True:
        try:
            return os.open(path, flags | os.O_CLOEXEC, mode, dir_fd=dir_fd)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE) or not _KEPT.close_some():
                raise


def too_many() -> str:
    """What to say where nothing more can be opened."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return f"this process has as many files open as it may ({most}); close some, or raise the limit (ulimit -n)"


def allowed(wanted: int) -> int:
    """How many files may be held open for long, of so many wanted; raises the soft limit where that is needed."""
    return min(wanted, _budget(wanted, 0))


def _budget(wanted: int, kept: int) -> int:
    """Descriptors that may be kept when so many are wanted, and `kept` are: half of what the process may have, or less
    where others in the process have many. Raises the soft limit where that is needed."""
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
    """Descriptors that the process has."""
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError as error:  # no such folder on this system, or no descriptor left to read it with
        return most if error.errno in (errno.EMFILE, errno.ENFILE) else 0
