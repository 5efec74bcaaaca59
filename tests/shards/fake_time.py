"""A clock for the times of a loader's stages, so that no test compares what a busy machine really took."""

from __future__ import annotations


class FakeTime:
    """The module `time` as shards.stats uses it, whose clock moves only when the test moves it."""

    def __init__(self) -> None:
        self.nanoseconds = 10**12

    def pass_by(self, seconds: float) -> None:
        self.nanoseconds += round(seconds * 1e9)

    def perf_counter_ns(self) -> int:
        return self.nanoseconds

    def perf_counter(self) -> float:
        return self.nanoseconds / 1e9
