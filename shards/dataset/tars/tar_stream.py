"""A tar of a store, read once: headers are found, members hashed and kept in one pass over its bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

from shards.dataset.index.rows import MAX_MEDIA_BYTES, MAX_TEXT_BYTES
from shards.dataset.members.choice import find_members
from shards.dataset.tars.entries import Entry, Member
from shards.dataset.tars.local_bytes import end_of
from shards.dataset.tars.looks import Looks
from shards.dataset.tars.tar import walk
from shards.dataset.tars.tar_header import TarError

_AHEAD = 2
"""Requests to a store that are under way while a piece is processed."""
ReadRange = Callable[[int, int], bytes]
"""(offset, length) -> bytes of one file, fewer only at its end."""


class TarStream:
    """A tar of a store, of which the medium and the texts of the current sample are kept.

    A member is given out before its bytes are read. So when the first member of the next sample is given out, all
    bytes of the sample before have been read, and none of the next.
    """

    def __init__(self, read: ReadRange, num_bytes: int, where: str, looks: Looks, piece_bytes: int) -> None:
        import xxhash

        self._read, self._num_bytes, self._where, self._looks = read, num_bytes, where, looks
        self._piece_bytes = piece_bytes
        self._whole = xxhash.xxh3_128()
        self._member = xxhash.xxh3_64
        self._position = 0
        self._piece = memoryview(b"")
        self._pool = ThreadPoolExecutor(_AHEAD)
        self._starts = iter(range(0, num_bytes, piece_bytes))
        self._coming: deque[Future[bytes]] = deque()
        self._key: str | None = None
        self._kept: list[tuple[str, int]] = []
        """(extension, offset) of the members that are medium, JSON and other text of the sample so far."""
        self._seen: dict[int, tuple[int, bytes]] = {}
        self.tail = b""
        """The last bytes of the member that was read last, at most TAIL."""

    def members(self) -> Iterator[Entry]:
        """The entries of the tar, each before its bytes are read."""
        for member in walk(self._read_at, self._num_bytes, self._where):
            yield member
            if isinstance(member, Member):
                self._pass(member)

    def read(self, member: Member, keep: bool) -> tuple[int | None, bytes]:
        """(checksum, bytes if they were kept) of a member of the sample that was read last."""
        return self._seen[member.offset]

    def finish(self) -> str:
        """The checksum of the whole file."""
        for _ in self._take(self._num_bytes):
            pass
        return str(self._whole.hexdigest())

    def _pass(self, member: Member) -> None:
        parts = self._looks.rules.split(member.name)
        if parts is None:
            return
        key, ext = parts
        if key != self._key:
            self._key, self._kept, self._seen = key, [], {}
        keep = self._is_kept(member, ext)
        digest, self.tail = self._member(), b""
        kept = []
        for piece in self._take(member.offset + member.size):
            digest.update(piece)
            self.tail = end_of(self.tail, piece)
            if keep:
                kept.append(piece)
        self._seen[member.offset] = digest.intdigest() & 0xFFFFFFFF, b"".join(kept)

    def _is_kept(self, member: Member, ext: str) -> bool:
        """True if a reader would take this member, as far as the sample is known; bytes kept in vain are dropped."""
        candidates = [*self._kept, (ext, member.offset)]
        found = find_members([name for name, _ in candidates], self._looks.rules)
        self._kept = [candidates[number] for number in found if number is not None]
        for candidate in candidates:
            if candidate not in self._kept and candidate[1] in self._seen:
                self._seen[candidate[1]] = self._seen[candidate[1]][0], b""
        if candidates[-1] not in self._kept:
            return False
        is_medium = found[0] == len(candidates) - 1
        return member.size <= (MAX_MEDIA_BYTES if is_medium else MAX_TEXT_BYTES) and (
            not is_medium or self._looks.media
        )

    def _read_at(self, length: int, offset: int) -> bytes:
        assert offset >= self._position, self._where
        for _ in self._take(offset):
            pass
        return b"".join(self._take(offset + length))

    def _take(self, stop: int) -> Iterator[memoryview]:
        """Read and hash the bytes up to `stop` or the end of the file."""
        stop = min(stop, self._num_bytes)
        while self._position < stop:
            if not self._piece:
                self._piece = self._next_piece()
            part = self._piece[: stop - self._position]
            self._piece = self._piece[len(part) :]
            self._position += len(part)
            self._whole.update(part)
            yield part

    def _next_piece(self) -> memoryview:
        for start in islice(self._starts, 1 + _AHEAD - len(self._coming)):
            self._coming.append(self._pool.submit(self._read, start, min(self._piece_bytes, self._num_bytes - start)))
        piece = self._coming.popleft().result()
        if len(piece) < min(self._piece_bytes, self._num_bytes - self._position):
            raise TarError(f"{self._where}: byte {self._position}: the file got shorter while it was read")
        return memoryview(piece)

    def __enter__(self) -> TarStream:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)
