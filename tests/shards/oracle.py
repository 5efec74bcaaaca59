"""docs/order.md in plain Python and one element at a time: slow, short, and sharing no code with `shards`.

What the property tests compare the real thing with. A dataset is a list of shards, a shard a list of elements.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt
from typing import Any

WORD = (1 << 64) - 1


def mix(x: int) -> int:
    x = (x + 0x9E3779B97F4A7C15) & WORD
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & WORD
    x = (x ^ x >> 27) * 0x94D049BB133111EB & WORD
    return x ^ x >> 31


def chain(*parts: int) -> int:
    state = 0
    for part in parts:
        state = mix(state ^ mix(part))
    return state


def permute(k: int, m: int, key: int) -> int:
    """Two digits of radix ceil(sqrt(m)) and ceil(m / that), six rounds, walking on until it is below m."""
    a = isqrt(m - 1) + 1
    b = -(-m // a)
    while True:
        high, low = divmod(k, b)
        for turn in range(6):
            if turn % 2 == 0:
                high = (high + mix(low ^ mix(key + turn & WORD)) % a) % a
            else:
                low = (low + mix(high ^ mix(key + turn & WORD)) % b) % b
        k = high * b + low
        if k < m:
            return k


@dataclass
class Dataset:
    """One dataset of a blend, as it is ordered: `shards` hold what where, exclusions, records and repeat leave."""

    name: str
    shards: list[list[Any]]
    seed: int
    streams: int
    window: int

    def __post_init__(self) -> None:
        self.tag = int.from_bytes(hashlib.blake2b(self.name.encode(), digest_size=8).digest(), "little")
        self.n = sum(map(len, self.shards))
        self.c = min(self.streams, self.n)
        filled = [s for s in range(len(self.shards)) if self.shards[s]]
        filled.sort(key=lambda s: chain(self.seed, self.tag, 1, s))
        line = [(s, row) for s in filled for row in range(len(self.shards[s]))]
        cuts = [c * (self.n // self.c) + min(c, self.n % self.c) for c in range(self.c + 1)]
        self.own = [line[cuts[c] : cuts[c + 1]] for c in range(self.c)]

    def line(self, e: int) -> list[list[tuple[int, int]]]:
        """The streams of pass e before the windows are shuffled; the pieces keep the order inside a shard."""
        key = {s: chain(self.seed, self.tag, 2, e, s) for s in range(len(self.shards))}
        return [sorted(own, key=lambda at: key[at[0]]) for own in self.own]  # sorted() keeps rows of a shard together

    def at(self, position: int, attempt: int = 0) -> tuple[int, int, int, int]:
        """(pass, shard, row, stream)."""
        e, p = divmod(position, self.n)
        i, c = divmod(p, self.c)
        streams = self.line(e)
        length, width = len(streams[c]), self.window
        phase = 0 if length <= width else c * width // self.c
        w = 0 if length <= width else (i + phase) // width
        low, high = (
            (0, length) if length <= width else (max(0, w * width - phase), min(length, (w + 1) * width - phase))
        )
        k, m = i - low, high - low
        if attempt and m >= 64:
            k = (k + 1 + chain(self.seed, self.tag, 4, e, p, attempt) % (m - 1)) % m
        place = low + permute(k, m, chain(self.seed, self.tag, 3, e, c, w))
        if attempt and m < 64:  # a small window: 1,024 elements of the line around it
            whole = [at for stream in streams for at in stream]
            before = sum(map(len, streams[:c]))
            room = min(1024, self.n)
            start = min(max(before + low + m // 2 - room // 2, 0), self.n - room)
            step = permute((attempt - 1) % max(room - 1, 1), max(room - 1, 1), chain(self.seed, self.tag, 4, e, p, 0))
            return e, *whole[start + (before + place - start + 1 + step) % room], c
        return e, *streams[c][place], c


def cycle(weights: list[int]) -> list[int]:
    """Tijdeman's rule."""
    total, turns = sum(weights), []
    for t in range(1, total + 1):
        g = Fraction(1, max(2 * len(weights) - 2, 1))
        due = [Fraction(t * w, total) - turns.count(d) for d, w in enumerate(weights)]
        ready = [d for d in range(len(weights)) if due[d] >= g or len(weights) == 1]
        turns.append(min(ready, key=lambda d: ((1 - g - due[d]) / weights[d], d)))
    return turns


def deal(slots: list[tuple[int, int]], world: int) -> list[list[int]]:
    """slots: (dataset, stream). Each rank's slot numbers."""
    value = {}
    for d in {d for d, _ in slots}:
        mine = sorted((j for j in range(len(slots)) if slots[j][0] == d), key=lambda j: (slots[j][1], j))
        value |= {j: Fraction(2 * i + 1, 2 * len(mine)) for i, j in enumerate(mine)}
    dealt = sorted(value, key=lambda j: (value[j], slots[j][0], j))
    share = len(slots) // world
    return [dealt[r * share : (r + 1) * share] for r in range(world)]


class Run:
    """A training run: the blend hands out positions, whatever the ranks and the batch are at each step."""

    def __init__(self, datasets: list[Dataset], weights: list[int], unit: str) -> None:
        self.datasets, self.turns, self.unit = datasets, cycle(weights), unit
        self.q, self.positions = 0, [0] * len(datasets)

    def batch(self, size: int, world: int) -> list[list[tuple[int, int]]]:
        """Each rank's (dataset, position)s."""
        taken = []
        for j in range(size):
            d = self.turns[(self.q + (j if self.unit == "sample" else 0)) % len(self.turns)]
            taken.append((d, self.positions[d]))
            self.positions[d] += 1
        self.q += size if self.unit == "sample" else 1
        slots = [(d, self.datasets[d].at(p)[3]) for d, p in taken]
        return [[taken[j] for j in part] for part in deal(slots, world)]
