"""Where an index may lead: the `root` of a dataset.json names the place of the shards, and may come from anybody.

Promises: shards are read beside the index or below it. Elsewhere only where the user said so: in a place that he names
(`roots:` of a dataset's config, --root), or where he made the index himself by `python -m shards index --out`, which
seals the root with a key that only this user has (~/.local/state/mcg-streams/index.key, mode 0600). An index in a
folder of this machine may also lead to a store, but not to other files of this machine.
A place that the user names brings its credentials along (user, query), which no index holds.
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from collections.abc import Sequence

from shards.base.printing import logger
from shards.storage.addresses import check_address, covers, is_remote, split_query

_KEY_BYTES = 32
_log = logger(__name__)


def permitted_root(index: str, root: str, seal: str | None, allowed: Sequence[str]) -> str:
    """The address to read shards at. index: the address of the index; allowed: places that the user names.

    Raises ValueError with the reason where that is not permitted.
    """
    check_address(root)
    for place in allowed:
        check_address(place)
    named = next((place for place in allowed if covers(place, root)), None)
    if named is not None:
        return _with_credentials(root, named)
    if covers(index, root):
        return _with_credentials(root, index)
    if not is_remote(index) and is_remote(root):
        return root
    if seal is not None and hmac.compare_digest(seal, _sealed(root) or ""):
        return root
    raise ValueError(
        f"it leads away from the index; if you know that place, allow it: roots: [{root!r}] in the dataset's config, "
        f"or --root {root!r}; if you made this index, make it again by the same command"
    )


def seal_root(root: str) -> str | None:
    """What tells later that this user made an index of the tars at a root; None where no key can be kept."""
    try:
        return _sealed(root, make=True)
    except OSError as error:
        _log.warning("%s: no key can be kept there (%s); the index is read with --root %s", _key_file(), error, root)
        return None


def _with_credentials(root: str, place: str) -> str:
    """A root with user and query of the address that covers it."""
    if not is_remote(root):
        return root
    base, query = split_query(place)
    scheme, separator, rest = base.partition("://")
    user, at, _ = rest.partition("/")[0].rpartition("@")
    own = split_query(root)[0].partition("://")[2]
    authority, slash, path = own.partition("/")
    return scheme + separator + user + at + authority.rpartition("@")[2] + slash + path + (f"?{query}" if query else "")


def _sealed(root: str, make: bool = False) -> str | None:
    key = _read_key()
    if key is None and make:
        key = _make_key()
    return (
        None if key is None else hmac.new(key, b"root\0" + root.encode(errors="surrogateescape"), "sha256").hexdigest()
    )


def _key_file() -> str:
    base = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(base, "mcg-streams", "index.key")


def _read_key() -> bytes | None:
    """The key; None if there is none that only this user can have written."""
    try:
        file = os.open(_key_file(), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        found = os.fstat(file)
        is_own = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077
        key = os.read(file, _KEY_BYTES + 1) if is_own else b""
    finally:
        os.close(file)
    return key if len(key) == _KEY_BYTES else None


def _make_key() -> bytes | None:
    """The new key, or that of a process which was faster."""
    path = _key_file()
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    aside = f"{path}.{os.getpid()}.{secrets.token_hex(4)}"
    file = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(file, "wb") as out:
            out.write(secrets.token_bytes(_KEY_BYTES))
        try:
            os.link(aside, path)
        except FileExistsError:
            if _read_key() is None:  # of somebody else, or not whole
                os.replace(aside, path)
    finally:
        if os.path.lexists(aside):
            os.unlink(aside)
    return _read_key()
