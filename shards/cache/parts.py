"""Parts: how one shard is divided into requests, and which of its bytes have come.

A part is the least that one request brings; adjacent parts come with one request where nothing else is more urgent.
Not locked: the fields change under the lock of `Downloads`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right


class Parts:
    """The parts of one shard."""

    def __init__(self, size: int, part_bytes: int, start: int = 0) -> None:
        """start: the byte from which on the shard is used: a part begins there, and what lies before it comes last."""
        cuts = [0, *_cuts(0, start, part_bytes), *_cuts(start, size, part_bytes)]
        self._cuts = cuts if len(cuts) > 1 else [0, 0]
        self._first = self._cuts.index(start) if start < size else 0
        self.count = len(self._cuts) - 1
        self._begun = bytearray(self.count)
        self._asked: list[int] = []
        self._runs: list[list[int]] = []
        """[begin, end] of bytes that have come, one for each request."""

    @property
    def num_open(self) -> int:
        """Parts that no request has been made for."""
        return self._begun.count(0)

    @property
    def is_untouched(self) -> bool:
        return not any(self._begun)

    @property
    def has_some(self) -> bool:
        """True if some bytes have come."""
        return any(end > begin for begin, end in self._runs)

    @property
    def is_asked_for(self) -> bool:
        """True if a reader waits for a part that is open."""
        return any(not self._begun[part] for part in self._asked)

    @property
    def next_bytes(self) -> int:
        """Bytes from the start to the next open part, in the order of use."""
        return (self._cuts[self._next()] - self._cuts[self._first]) % max(1, self._cuts[-1])

    def ask(self, offset: int, length: int) -> bool:
        """Have the parts of a byte range brought before the others; False if requests for all were made already."""
        end = min(offset + length, self._cuts[-1])
        parts = range(bisect_right(self._cuts, offset) - 1, bisect_left(self._cuts, end))
        asked = [part for part in parts if not self._begun[part] and part not in self._asked]
        self._asked += asked
        return bool(asked)

    def take(self, most: int) -> tuple[int, int]:
        """(offset, length) of the next request, of at most so many parts; there is an open one."""
        first = last = self._next()
        while (
            last + 1 < self.count and last + 1 != self._first and not self._begun[last + 1] and last + 1 - first < most
        ):
            last += 1
        for part in range(first, last + 1):
            self._begun[part] = 1
        self._asked = [part for part in self._asked if not self._begun[part]]
        offset = self._cuts[first]
        self._runs.append([offset, offset])
        return offset, self._cuts[last + 1] - offset

    def land(self, offset: int, length: int) -> None:
        """Bytes have come; those of one request come in order."""
        run = next(run for run in self._runs if run[1] == offset)
        run[1] += length

    def has(self, offset: int, length: int) -> bool:
        """True if all of these bytes have come."""
        end = min(offset + length, self._cuts[-1])
        while offset < end:
            reached = next((stop for begin, stop in self._runs if begin <= offset < stop), None)
            if reached is None:
                return False
            offset = reached
        return True

    def drop(self) -> None:
        """Make no further request."""
        self._begun = bytearray(b"\1" * self.count)

    def _next(self) -> int:
        asked = next((part for part in self._asked if not self._begun[part]), None)
        if asked is not None:
            return asked
        after = self._begun.find(0, self._first)
        return after if after >= 0 else self._begun.find(0)


def _cuts(begin: int, end: int, part_bytes: int) -> list[int]:
    """The ends of the parts, about as large as asked for, that bytes begin to end are divided into."""
    count = max(1, round((end - begin) / part_bytes))
    return [begin + (end - begin) * number // count for number in range(1, count + 1)] if end > begin else []
