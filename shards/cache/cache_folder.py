"""CacheFolder: the folder of a cache, its lock, and who may put files there: its owner, or the users of its group.

Promises: files are opened and created by their name inside the folder that was checked, never through a link; what is
no regular file, has a second name (a hard link), or belongs to a user outside the cache is neither read nor written. A
folder is created 0700; shared, 2775 with files 0664, whatever the umask.
Gives up: users who may write to the folder of a shared cache trust each other; checksums show what they damage.
"""

from __future__ import annotations

import errno
import fcntl
import os
import pwd
import stat
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

from shards.base.errors import CacheFolderError
from shards.base.open_files import open_fd
from shards.base.printing import logger
from shards.cache.file_names import LOCK
from shards.cache.held_file import HeldFile

Sharing = Literal["group"]
_log = logger(__name__)


class CacheFolder:
    """The folder, open and checked. It is created if it does not exist."""

    def __init__(self, path: str, shared: Sharing | None = None) -> None:
        """shared: "group" for a cache that all users of the folder's group use; None for one user's own."""
        self.path, self._shared = path, shared
        made = not os.path.isdir(path)
        os.makedirs(path, 0o700 if shared is None else 0o775, exist_ok=True)
        link = os.lstat(path)
        if stat.S_ISLNK(link.st_mode) and link.st_uid not in (0, os.geteuid()):
            raise CacheFolderError(f"the cache folder {path} is a link that {_user(link.st_uid)} made; {_own(path)}")
        check = self._check_private if shared is None else self._check_shared
        try:
            self.fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except PermissionError:
            check(os.stat(path))  # raises an error that says whose folder it is
            raise
        weakref.finalize(self, os.close, self.fd)
        if made and shared is not None:
            with suppress(PermissionError):  # another process of another user has created it meanwhile
                os.fchmod(self.fd, 0o2775)
        about = os.fstat(self.fd)
        self._group = about.st_gid
        check(about)

    def _check_private(self, about: os.stat_result) -> None:
        if about.st_uid != os.geteuid():
            raise CacheFolderError(
                f"the cache folder {self.path} belongs to {_user(about.st_uid)}, this process runs as "
                f"{_user(os.geteuid())}: a cache is one user's own; {_own(self.path)}, or share it: cache.shared: group"
            )
        if about.st_mode & 0o022 and not about.st_mode & stat.S_ISVTX:  # with the sticky bit others can only add files
            _log.warning(
                "the cache folder %s can be written by other users (mode %o): files of theirs are not used; "
                "chmod go-w it, or share it with the users of its group (cache.shared: group)",
                *(self.path, stat.S_IMODE(about.st_mode)),
            )

    def _check_shared(self, about: os.stat_result) -> None:
        mode, ours = stat.S_IMODE(about.st_mode), {os.getegid(), *os.getgroups()}
        remedy = f"type: chgrp GROUP {self.path}; chmod 2775 {self.path}, or leave cache.shared out"
        if about.st_gid not in ours and os.geteuid() != 0:
            raise CacheFolderError(
                f"the cache folder {self.path} is of group {about.st_gid}, of which {_user(os.geteuid())} is no "
                f"member: it cannot be shared with that group; {remedy}"
            )
        if mode & 0o2070 != 0o2070:
            raise CacheFolderError(
                f"the cache folder {self.path} has mode {mode:o}: a cache that a group shares needs 2775, so that "
                f"its users may write and files are of the group; {remedy}"
            )
        if mode & 0o002:
            _log.warning("the cache folder %s can be written by all users (mode %o); chmod o-w it", self.path, mode)

    def open(self, name: str, flags: int) -> int:
        """Open a file of the folder; with O_CREAT it is created if it does not exist.

        Raises FileNotFoundError, OSError, and CacheFolderError for a link or a file of another user.
        """
        flags |= os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            try:
                fd = open_fd(name, flags & ~os.O_CREAT, dir_fd=self.fd)
            except FileNotFoundError:
                if not flags & os.O_CREAT:
                    raise
                return self._make(name, flags)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise self._refused(name, "is a symbolic link") from error
            if error.errno == errno.EACCES:
                raise self._denied(name) from error
            raise
        try:
            self._check(name, os.fstat(fd))
        except BaseException:
            os.close(fd)
            raise
        return fd

    def check_all(self, names: list[str]) -> None:
        """Raise CacheFolderError for the first of these files that exists and cannot be used."""
        for name in names:
            about = self.status(name)
            if about is not None and stat.S_ISLNK(about.st_mode):
                raise self._refused(name, "is a symbolic link")
            if about is not None:
                self._check(name, about)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder lock; threads exclude each other like processes."""
        lock = HeldFile(self.open(LOCK, os.O_RDWR | os.O_CREAT))
        try:
            fcntl.flock(lock.fd, fcntl.LOCK_EX)
            yield
        finally:
            lock.close()

    def check_locks(self) -> None:
        """Raise OSError where the file system lets two descriptors lock one file."""
        with self.locked():
            if HeldFile(self.open(LOCK, os.O_RDWR)).lock("exclusive"):
                raise OSError("its file system ignores locks (flock)")

    def names(self) -> list[str]:
        """The names of all files of the folder."""
        return os.listdir(self.fd)

    def status(self, name: str) -> os.stat_result | None:
        """The stat result of a file, or of a link itself; None where there is none."""
        try:
            return os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def rename(self, name: str, to: str) -> None:
        """Rename a file of the folder."""
        os.rename(name, to, src_dir_fd=self.fd, dst_dir_fd=self.fd)

    def unlink(self, name: str) -> None:
        """Remove a file of the folder; of a link the link."""
        os.unlink(name, dir_fd=self.fd)

    def _make(self, name: str, flags: int) -> int:
        mode = 0o600 if self._shared is None else 0o664
        try:
            fd = open_fd(name, flags | os.O_CREAT | os.O_EXCL, mode, dir_fd=self.fd)
        except FileExistsError:  # another process was faster, or it is a link that leads nowhere
            return self.open(name, flags & ~os.O_CREAT)
        if self._shared is not None:
            os.fchmod(fd, mode)  # whatever the umask
        return fd

    def _check(self, name: str, about: os.stat_result) -> None:
        if not stat.S_ISREG(about.st_mode):
            raise self._refused(name, "is no plain file")
        if about.st_nlink > 1:
            raise self._refused(name, "has another name elsewhere (a hard link)")
        if self._shared is None and about.st_uid != os.geteuid():
            raise self._refused(name, f"belongs to {_user(about.st_uid)}, the cache is {_user(os.geteuid())}'s own")
        if self._shared is not None and about.st_gid != self._group:
            raise self._refused(name, f"is of group {about.st_gid}, and this cache is shared by group {self._group}")

    def _refused(self, name: str, why: str) -> CacheFolderError:
        return CacheFolderError(
            f"{os.path.join(self.path, name)}: {why}: the cache has not made it, and neither reads nor writes it; "
            f"remove it (rm {os.path.join(self.path, name)}), and see who may write to {self.path}"
        )

    def _denied(self, name: str) -> CacheFolderError:
        where = os.path.join(self.path, name)
        with suppress(OSError):
            about = os.stat(name, dir_fd=self.fd, follow_symlinks=False)
            return CacheFolderError(
                f"{where}: {_user(os.geteuid())} may not use it: it belongs to {_user(about.st_uid)}, mode "
                f"{stat.S_IMODE(about.st_mode):o}; remove it, or share the cache by setting (cache.shared: group)"
            )
        return CacheFolderError(f"{where}: {_user(os.geteuid())} may not use it; {_own(self.path)}")


def _own(path: str) -> str:
    """The remedy for a folder that is another user's."""
    return f"set cache.folder to a folder of your own on a local disk, not {path}"


def _user(number: int) -> str:
    """A user as an error names him: by name where the system knows one."""
    with suppress(KeyError):
        return f"user {pwd.getpwuid(number).pw_name}"
    return f"user {number}"
