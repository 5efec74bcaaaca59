"""The seal on the root of an index: proof that this user made it, with a key that only this user has.

The key is a file (~/.local/state/mcg-streams/index.key, mode 0600). One that others can read or write, or that is a
link, proves nothing and is not used.
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat

from shards.base.printing import logger

_KEY_BYTES = 32
_log = logger(__name__)


def seal_root(root: str) -> str | None:
    """The seal of a root, for the index of its tars that this user makes; None where no key can be kept."""
    try:
        return _sealed(root, make=True)
    except OSError as error:
        _log.warning("%s: no key can be kept there (%s); the index is read with --root %s", _key_file(), error, root)
        return None


def is_sealed(root: str, seal: str) -> bool:
    """True if this user has sealed the root."""
    own = _sealed(root)
    return own is not None and hmac.compare_digest(seal.encode(errors="replace"), own.encode())


def _sealed(root: str, make: bool = False) -> str | None:
    key = _read_key()
    if key is None and make:
        key = _make_key()
    if key is None:
        return None
    return hmac.new(key, b"root\0" + root.encode(errors="surrogateescape"), "sha256").hexdigest()


def _key_file() -> str:
    base = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(base, "mcg-streams", "index.key")


def _read_key() -> bytes | None:
    """The key; None where there is no file that only this user can have written."""
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
    """The new key, or that of another process that made one first."""
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
            if _read_key() is None:  # another user's, or not complete
                os.replace(aside, path)
    finally:
        if os.path.lexists(aside):
            os.unlink(aside)
    return _read_key()
