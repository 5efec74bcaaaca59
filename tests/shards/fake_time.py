"""A clock for the times of a loader's stages, so that no test compares what a busy machine really took."""

from __future__ import annotations

import time

import pytest


class FakeTime:
    """Takes the place of the performance counter; it moves only when the test moves it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.nanoseconds = 10**12
        patch.setattr(time, "perf_counter_ns", lambda: self.nanoseconds)
        patch.setattr(time, "perf_counter", lambda: self.nanoseconds / 1e9)

    def pass_by(self, seconds: float) -> None:
        self.nanoseconds += round(seconds * 1e9)
