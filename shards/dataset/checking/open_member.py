"""The checksum and the bytes of one member, collected while a shard is read in chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xxhash


class OpenMember:
    """A member of which some bytes are still to come. keep: keep its bytes, not only their checksum."""

    def __init__(self, keep: bool) -> None:
        self.size = 0
        self._first: memoryview | None = None
        self._hasher: xxhash.xxh3_64 | None = None
        self._parts: list[bytes] | None = [] if keep else None

    def add(self, part: memoryview) -> None:
        import xxhash

        if self._first is None and self._hasher is None:
            self._first = part  # nearly all members lie in one chunk: those are hashed in one call, without a copy
        else:
            if self._hasher is None:
                self._hasher = xxhash.xxh3_64(self._first or b"")
                self._first = None
            self._hasher.update(part)
        if self._parts is not None:
            self._parts.append(bytes(part))
        self.size += len(part)

    @property
    def checksum(self) -> int:
        """Low 32 bits of XXH3_64."""
        import xxhash

        digest = self._hasher.intdigest() if self._hasher else xxhash.xxh3_64_intdigest(self._first or b"")
        return digest & 0xFFFFFFFF

    @property
    def data(self) -> bytes | None:
        return None if self._parts is None else b"".join(self._parts)
