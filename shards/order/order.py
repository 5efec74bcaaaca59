"""The order of one dataset: position -> (pass, shard, row), a pure function of (seed, name, counts, streams, window).

Promises: one pass holds every element exactly once; any position is computed from its number alone, in O(log S) after
O(S) work per pass and with O(S) memory for S shards; ranks, workers, threads and batch sizes do not enter. Gives up:
a perfect shuffle. Elements mix inside a window of K elements and across C streams, so that few shards are open at a
time.

The elements lie on a line, shard after shard, the shards in an order fixed for the run. The line is cut into C
streams of equal length (within one element), which a run keeps. In every pass each stream sorts its pieces of shards
anew and permutes the elements inside windows; position p of a pass is element p // C of stream p % C. docs/order.md
defines it precisely.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from shards.order.random_numbers import UInt64, hash64, mix, name_hash
from shards.order.share import ALL, Share

Int64 = npt.NDArray[np.int64]

MAX_SUBSTITUTES = 8
"""Substitutes tried for one planned element before the run stops."""

# Purposes of hashes; each has its own number, so that no two draws share an address.
_LINE, _PASS, _WINDOW, _SUBSTITUTE = 1, 2, 3, 4
_FEISTEL_ROUNDS = 6
_SMALL_WINDOW = 64  # a window with fewer elements may hold nothing but one broken sample
_STRETCH = 1024  # elements around such a window that its substitutes come from
_CACHED_PASSES = 2  # a batch may cross the end of a pass

NEVER = np.iinfo(np.int64).max
"""The next use of a shard that is not used again."""


class Locations(NamedTuple):
    """Locations of elements: int64 arrays of one shape. `row` is the number of an element inside its shard."""

    pass_: Int64
    shard: Int64
    row: Int64
    stream: Int64


class ElementOrder(Protocol):
    """An order as a loader uses it."""

    num_elements: int
    streams: int

    def at(self, positions: npt.ArrayLike, attempt: int = 0) -> Locations: ...

    def next_use(self, position: int, share: Share = ALL) -> tuple[Int64, Int64]: ...


def distinct(numbers: Int64) -> Int64:
    """The distinct values of numbers >= 0, ascending."""
    # `np.unique` would import numpy.ma, which takes 7 ms.
    ascending = np.sort(numbers, axis=None)
    return ascending[np.diff(ascending, prepend=-1) > 0]


class Order:
    """The shuffled order of one dataset, endless: position P is element P % N of pass P // N."""

    def __init__(self, counts: npt.ArrayLike, seed: int, name: str, streams: int, window: int) -> None:
        """counts: (S,) elements per shard, zeros allowed. window: elements. ValueError when there is no element."""
        self._counts = _checked_counts(counts, name)
        if streams < 1 or window < 1:
            raise ValueError(f"dataset {name!r}: streams and window must be at least 1, found {streams} and {window}")
        self.num_elements = int(self._counts.sum())
        self.streams = min(streams, self.num_elements)
        self.window = window
        self._seed = seed
        self._name = name_hash(name)
        self._short, self._num_long = divmod(self.num_elements, self.streams)
        stream = np.arange(self.streams + 1)
        self._cuts = stream * self._short + np.minimum(stream, self._num_long)
        self._lay_line()
        self._passes: dict[int, tuple[Int64, Int64]] = {}

    def at(self, positions: npt.ArrayLike, attempt: int = 0) -> Locations:
        """The elements at `positions` (any shape, from 0), or their substitute number `attempt` from the same window.

        A substitute lies in the pass of the element that it replaces, and in its window unless that is small (at the
        ends of streams): then it comes from a stretch around the window that may cross streams, and the attempts
        differ as long as there are others. It is never the element itself, unless that is the only one.
        """
        position = np.asarray(positions, dtype=np.int64)
        if position.size and position.min() < 0:
            raise ValueError(f"positions start at 0, found {position.min()}")
        pass_, in_pass = np.divmod(position.ravel(), self.num_elements)
        index, stream = np.divmod(in_pass, self.streams)
        window, low, size = self._windows(stream, index)
        offset = index - low
        small = size < _SMALL_WINDOW
        if attempt:
            step = hash64(self._seed, self._name, _SUBSTITUTE, pass_, in_pass, attempt)
            # Shifted by 1 to size - 1 places, so never to the element itself.
            offset = np.where(small, offset, (offset + 1 + _remainder(step, np.maximum(size - 1, 1))) % size)
        key = hash64(self._seed, self._name, _WINDOW, pass_, stream, window)
        start = self._cuts[stream] + low
        on_line = start + _permute(offset, size, key)
        if attempt and small.any():
            step_key = hash64(self._seed, self._name, _SUBSTITUTE, pass_, in_pass, 0)
            on_line = np.where(small, self._around(on_line, start + size // 2, step_key, attempt), on_line)
            stream = np.searchsorted(self._cuts, on_line, side="right") - 1
        shard, row = np.empty_like(on_line), np.empty_like(on_line)
        for number in distinct(pass_):
            here = pass_ == number
            order, ends = self._pass(int(number))
            slot = np.searchsorted(ends, on_line[here], side="right")
            piece = order[slot]
            shard[here] = self._piece_shard[piece]
            row[here] = self._piece_row[piece] + on_line[here] - (ends[slot] - self._piece_size[piece])
        return Locations(*(a.reshape(position.shape) for a in (pass_, shard, row, stream)))

    def next_use(self, position: int, share: Share = ALL) -> tuple[Int64, Int64]:
        """(S,) elements from `position` on until a window begins that holds elements of each shard; 0: it has begun.
        (S,) the first row of each shard in that window.

        Never more than until the shard is used next. share: of the elements from `position` on those that count; NEVER
        for a shard in no window that they draw from. What comes before them in a batch does not count as time: the
        batch needs all at once. Takes O(S); the cache fetches ahead and evicts by it.
        """
        pass_, in_pass = divmod(position, self.num_elements)
        # Elements of each stream that were taken.
        taken = np.maximum(0, -(-(in_pass - np.arange(self.streams)) // self.streams))
        first_slot, end_slot = share.slots(self.streams)
        own = first_slot < end_slot
        use, row = np.full(len(self._counts), NEVER, np.int64), np.zeros(len(self._counts), np.int64)
        for later in (0, 1):
            order, ends = self._pass(pass_ + later)
            of_own = own[self._piece_stream[order]]
            order, ends = order[of_own], ends[of_own]
            stream = self._piece_stream[order]
            first = ends - self._piece_size[order] - self._cuts[stream]
            _, begins, _ = self._windows(stream, first)
            _, low, size = self._windows(stream, first + self._piece_size[order] - 1)
            start, now = (0, np.zeros_like(stream)) if later else (in_pass, taken[stream])
            passed = self.num_elements - in_pass if later else 0
            drawn, skipped = share.behind(passed).next(self.streams, stream, np.maximum(begins, now), start)
            wait = np.maximum(0, drawn - skipped - now) * self.streams + passed
            wait = np.where(drawn < low + size, wait, NEVER)
            _, current, _ = self._windows(stream, drawn)
            at = self._piece_row[order] + np.maximum(0, current - first)
            last = np.argsort(-wait, kind="stable")  # the soonest of a shard's pieces is written last
            shard, wait, at = self._piece_shard[order][last], wait[last], at[last]
            sooner = wait < use[shard]
            use[shard[sooner]], row[shard[sooner]] = wait[sooner], at[sooner]
        return use, row

    def _lay_line(self) -> None:
        """Cut the line of shards at shard ends and stream cuts: at most S + C - 1 pieces, C - 1 shards split."""
        line = np.argsort(hash64(self._seed, self._name, _LINE, np.arange(len(self._counts))), kind="stable")
        line = line[self._counts[line] > 0]
        shard_end = np.cumsum(self._counts[line])
        shard_start = shard_end - self._counts[line]
        start = distinct(np.concatenate([shard_start, self._cuts[:-1]]))
        place = np.searchsorted(shard_end, start, side="right")
        self._piece_shard = line[place]
        self._piece_row = start - shard_start[place]
        self._piece_size = np.diff(np.append(start, self.num_elements))
        self._piece_stream = np.searchsorted(self._cuts, start, side="right") - 1

    def _windows(self, stream: Int64, index: Int64) -> tuple[Int64, Int64, Int64]:
        """(window number, first index, number of elements) of the window that holds element `index` of each stream.

        The phase stream * K // C sets the windows of the streams against each other, so that they do not all change
        at once.
        """
        length = self._short + (stream < self._num_long)
        whole = length <= self.window
        phase = np.where(whole, 0, stream * self.window // self.streams)
        width = np.where(whole, length, self.window)
        window = (index + phase) // width
        low = np.maximum(0, window * width - phase)
        high = np.minimum(length, (window + 1) * width - phase)
        return window, low, high - low

    def _around(self, on_line: Int64, middle: Int64, key: UInt64, attempt: int) -> Int64:
        """Other line positions than `on_line`, out of a stretch around `middle`; attempts 1, 2, ... go through it."""
        room = min(_STRETCH, self.num_elements)
        others = max(room - 1, 1)
        start = np.clip(middle - room // 2, 0, self.num_elements - room)
        turn = np.full_like(on_line, (attempt - 1) % others)
        step = _permute(turn, np.full_like(on_line, others), key)
        return start + (on_line - start + 1 + step) % room

    def _pass(self, number: int) -> tuple[Int64, Int64]:
        """(pieces in the order of this pass, the line position where each ends). Threads may call it."""
        # No lock, which an interrupt of the consumer might leave locked: at worst two threads compute the same.
        known = self._passes
        found = known.get(number)
        if found is None:
            rank = hash64(self._seed, self._name, _PASS, number, self._piece_shard)
            order = np.lexsort((rank, self._piece_stream))
            found = (order, np.cumsum(self._piece_size[order]))
            self._passes = dict([*known.items(), (number, found)][-_CACHED_PASSES:])
        return found


class Sequential:
    """The order of evaluation: every element once, as the dataset lists them. One pass, one stream, no substitutes."""

    def __init__(self, counts: npt.ArrayLike, name: str) -> None:
        self._ends = np.cumsum(_checked_counts(counts, name))
        self._counts = np.diff(self._ends, prepend=0)
        self.streams = 1
        self.num_elements = int(self._ends[-1])

    def at(self, positions: npt.ArrayLike, attempt: int = 0) -> Locations:
        position = np.asarray(positions, dtype=np.int64)
        if position.size and not (position.min() >= 0 and position.max() < self.num_elements):
            raise ValueError(
                f"positions must lie in [0, {self.num_elements}), found {position.min()}..{position.max()}"
            )
        if attempt:
            raise ValueError("evaluation substitutes nothing")
        shard = np.searchsorted(self._ends, position, side="right").astype(np.int64)
        zeros = np.zeros_like(position)
        return Locations(zeros, shard, position - (self._ends - self._counts)[shard], zeros)

    def next_use(self, position: int, share: Share = ALL) -> tuple[Int64, Int64]:
        """(S,) elements from `position` on until each shard is used; NEVER behind its last element, or if empty.
        (S,) the row that is used then."""
        first = self._ends - self._counts
        wait = np.where((position < self._ends) & (self._counts > 0), np.maximum(0, first - position), NEVER)
        return wait, np.where(wait == 0, position - first, 0)


def _permute(x: Int64, size: Int64, key: UInt64) -> Int64:
    """Element-wise: x in [0, size) -> [0, size), for each (size, key) a bijection. All arrays of one shape (n,).

    A Feistel network over two digits of radix ceil(sqrt(size)), so the domain is a little larger than `size`; what
    falls outside walks the cycle until it is inside again (at most a few steps on average).
    """
    high_radix = np.ceil(np.sqrt(size)).astype(np.int64)
    low_radix = -(-size // high_radix)
    result = x.copy()
    todo = np.arange(x.size)
    while todo.size:
        a, b, k = high_radix[todo], low_radix[todo], key[todo]
        high, low = np.divmod(result[todo], b)
        for round_ in range(_FEISTEL_ROUNDS):
            with np.errstate(over="ignore"):
                round_key = mix(k + np.uint64(round_))
            if round_ % 2 == 0:
                high = (high + _remainder(mix(low.astype(np.uint64) ^ round_key), a)) % a
            else:
                low = (low + _remainder(mix(high.astype(np.uint64) ^ round_key), b)) % b
        result[todo] = high * b + low
        todo = todo[result[todo] >= size[todo]]
    return result


def _remainder(hashed: UInt64, modulus: Int64) -> Int64:
    return (hashed % modulus.astype(np.uint64)).astype(np.int64)


def _checked_counts(counts: npt.ArrayLike, name: str) -> Int64:
    checked = np.asarray(counts, dtype=np.int64)
    if checked.ndim != 1 or (checked < 0).any():
        raise ValueError(f"dataset {name!r}: counts must be one number >= 0 per shard, found {checked!r}")
    if not checked.sum():
        raise ValueError(f"dataset {name!r}: no elements in {len(checked)} shards")
    return checked
