"""Counters: named numbers that threads count up together."""

from __future__ import annotations

import threading


class Counters:
    """Named numbers that start at 0; an unknown name is a KeyError."""

    def __init__(self, *names: str) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, float] = dict.fromkeys(names, 0)

    def add(self, what: str, count: float = 1) -> None:
        with self._lock:
            self._counts[what] += count

    def get(self, what: str) -> float:
        """The present value of one. Takes no lock, so the caller may hold one."""
        return self._counts[what]

    def snapshot(self) -> dict[str, float]:
        with self._lock:
            return dict(self._counts)
