"""The bytes of the members of a local tar, read once from begin to end and hashed on the way."""

from __future__ import annotations

import os
from typing import Any

from shards.dataset.tars.entries import Member
from shards.dataset.tars.tar_header import TarError

_PIECE = 1 << 22
"""Bytes that are read at once."""
TAIL = 512
"""Bytes at the end of a medium that must all be zero for it to count as not written to its end."""


def end_of(before: bytes, piece: bytes | memoryview) -> bytes:
    """The last TAIL bytes of `before` and `piece` together."""
    return bytes(piece[-TAIL:]) if len(piece) >= TAIL else (before + bytes(piece))[-TAIL:]


class LocalBytes:
    """A local tar that is read once, member by member."""

    def __init__(self, path: str) -> None:
        import xxhash

        self._path = path
        self._whole = xxhash.xxh3_128()
        self._member = xxhash.xxh3_64
        self._position = 0
        self._fd = -1
        self.tail = b""
        """The last bytes of the member that was read last, at most TAIL."""

    def read(self, member: Member, keep: bool) -> tuple[int | None, bytes]:
        """(checksum, bytes if `keep`) of the next member. Raises TarError if the file got shorter."""
        self._advance(member.offset, None)
        digest, self.tail = self._member(), b""
        piece = self._advance(member.offset + member.size, digest, keep)
        return digest.intdigest() & 0xFFFFFFFF, piece

    def finish(self) -> str:
        """The checksum of the whole file."""
        self._advance(os.fstat(self._fd).st_size, None)
        return str(self._whole.hexdigest())

    def _advance(self, stop: int, digest: Any, keep: bool = False) -> bytes:
        kept = []
        while self._position < stop:
            piece = os.pread(self._fd, min(_PIECE, stop - self._position), self._position)
            if not piece:
                raise TarError(f"{self._path}: byte {self._position}: the file got shorter while it was read")
            self._position += len(piece)
            self._whole.update(piece)
            if digest is not None:
                digest.update(piece)
                self.tail = end_of(self.tail, piece)
            if keep:
                kept.append(piece)
        return kept[0] if len(kept) == 1 else b"".join(kept)

    def __enter__(self) -> LocalBytes:
        self._fd = os.open(self._path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


class NoBytes:
    """Stands in for `LocalBytes` if only headers are read."""

    tail = b""

    def read(self, member: Member, keep: bool) -> tuple[int | None, bytes]:
        return None, b""

    def finish(self) -> str:
        return ""

    def __enter__(self) -> NoBytes:
        return self

    def __exit__(self, *_: object) -> None:
        pass
