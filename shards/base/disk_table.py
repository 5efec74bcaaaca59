"""A table of texts by key whose entries lie on disk: memory stays the same however many there are.

It is a temporary database of SQLite, which is gone when the table is closed or its process ends. Keys are told apart by
128 bits of their BLAKE2b digest, so an entry takes about as much disk as its value and 30 bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

_CACHE_KIB = 8192
"""Memory for entries that were used last."""


class DiskTable:
    """Texts by key. Not for several threads at once; SQLite puts its file where TMPDIR (or SQLITE_TMPDIR) says."""

    def __init__(self) -> None:
        import sqlite3

        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        for statement in (
            f"PRAGMA cache_size=-{_CACHE_KIB}",
            "PRAGMA journal_mode=OFF",
            "CREATE TABLE entries (digest BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID",
            "BEGIN",  # one transaction without end: nothing is ever read by another connection
        ):
            self._database.execute(statement)

    def get(self, key: str) -> str | None:
        """The text of a key, or None."""
        found = self._database.execute("SELECT value FROM entries WHERE digest = ?", (_digest(key),)).fetchone()
        return None if found is None else bytes(found[0]).decode("utf-8", "surrogatepass")

    def setdefault(self, key: str, value: str) -> str:
        """The text of a key, which is `value` if it had none."""
        added = self._database.execute(
            "INSERT OR IGNORE INTO entries VALUES (?, ?)", (_digest(key), _bytes(value))
        ).rowcount
        return value if added else str(self.get(key))

    def update(self, entries: Iterable[tuple[str, str]]) -> None:
        """Set the texts of many keys."""
        many = ((_digest(key), _bytes(value)) for key, value in entries)
        self._database.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?)", many)

    def close(self) -> None:
        """Give the disk back."""
        self._database.close()


def _digest(key: str) -> bytes:
    return hashlib.blake2b(_bytes(key), digest_size=16).digest()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # a json file may hold half a character
