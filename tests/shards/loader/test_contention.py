"""What the loader costs a training step: held and free steps compared, beside the same steps without a loader."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shards import Loader, LoaderConfig
from shards.loader.contention import Contention, Steps
from shards.loader.stats import HOLD_EVERY, StepTimer
from shards.media.clip import EncodedClip
from shards.media.clip_plan import ClipPlan
from tests.shards.fake_time import FakeTime

PLAN = ClipPlan((0,), (8, 8), (0, 0, 8, 8))


def _encode(sample: Any, rng: Any) -> EncodedClip:
    return EncodedClip(sample.media, sample.facts.kind, PLAN, {"text_ids": np.zeros(1, np.int64)}, {})


@pytest.fixture
def loader(cc: Path) -> Iterator[Loader]:
    config = LoaderConfig.model_validate({"blend": [{"name": "cc", "path": str(cc)}], "batch_size": 2})
    with Loader(config, 0, 1, _encode) as loader:
        yield loader


class _Machine:
    """A machine whose steps are slowed by what the loader did in them: a batch takes `cpu` seconds of its threads, and
    each of these seconds `slowed_by` seconds of the step."""

    def __init__(self, loader: Loader, clock: FakeTime, patch: pytest.MonkeyPatch, slowed_by: float) -> None:
        self.loader, self.clock, self.slowed_by = loader, clock, slowed_by
        self.cpu, self.step_seconds, self.made = 0.02, 0.1, 0
        patch.setattr(loader.stats, "_cpu", self)

    def seconds(self) -> float:
        return self.cpu * self.made

    def train(self, num_steps: int) -> tuple[float, list[str]]:
        """Take steps. Returns their seconds altogether, and the origins of their batches."""
        timer, begun, origins = StepTimer(self.loader), self.clock.nanoseconds, []
        for _ in range(num_steps):
            timer.begin()
            origins += [str(origin) for origin in next(self.loader).origins]
            made = self.made
            # All that was begun is finished within the step: two batches are made ahead unless it is held.
            while not self.loader.hold and self.loader.num_ready < 2:
                pass
            self.made = self.loader.stats.snapshot().num_batches + self.loader.num_ready
            self.clock.pass_by(self.step_seconds + self.slowed_by * self.cpu * (self.made - made))
            timer.end()
        return (self.clock.nanoseconds - begun) / 1e9, origins


@pytest.mark.parametrize("slowed_by", [0.0, 0.5, 1.5])
def test_the_share_agrees_with_the_same_steps_without_a_loader(
    loader: Loader, monkeypatch: pytest.MonkeyPatch, slowed_by: float
) -> None:
    machine = _Machine(loader, FakeTime(monkeypatch), monkeypatch, slowed_by)
    seconds, _ = machine.train(6 * HOLD_EVERY)
    found = loader.stats.snapshot().contention
    truth = 1 - 6 * HOLD_EVERY * machine.step_seconds / seconds
    assert found.held.count == 6 and found.free.count == 6 * HOLD_EVERY - 6 - 3
    assert found.slowed_by == pytest.approx(slowed_by, abs=1e-6)
    assert found.lost_share == pytest.approx(truth, abs=0.02)
    assert found.lost_error is not None and found.lost_error < 0.1


def test_holding_changes_no_batch(loader: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    start = loader.state_dict()
    _, timed = _Machine(loader, FakeTime(monkeypatch), monkeypatch, 0.5).train(20)
    loader.load_state_dict(start)
    assert timed == [str(origin) for _ in range(20) for origin in next(loader).origins]


def test_a_loader_that_is_not_ahead_is_never_held(cc: Path) -> None:
    settings = {"blend": [{"name": "cc", "path": str(cc)}], "batch_size": 2, "prefetch_batches": 0}
    with Loader(LoaderConfig.model_validate(settings), 0, 1, _encode) as loader:
        timer = StepTimer(loader)
        for _ in range(2 * HOLD_EVERY):
            timer.begin()
            next(loader)
            took = timer.end()
        found = loader.stats.snapshot().contention
        assert found.held.count == 0 and found.free.count == 2 * HOLD_EVERY - 3
        assert found.slowed_by is found.lost_share is found.lost_error is None
        assert took.data.contention.free.count == 1 and took.seconds > 0


def test_steps_that_do_not_differ_tell_nothing() -> None:
    alike = Steps(4, 2.0, 1.0, 0.1)
    assert Contention(alike, alike).lost_share is None
    assert Contention(Steps(1, 0.5, 0.25, 0.0), alike).lost_share is None


def test_a_noisy_machine_states_its_error_and_no_negative_share() -> None:
    held, free = Steps(10, 10.0, 10.9, 0.0), Steps(90, 89.0, 97.0, 9.0)  # free steps happened to be faster
    found = Contention(held, free)
    assert found.slowed_by == found.lost_share == 0 and found.lost_error is not None and found.lost_error > 0.1


def test_intervals_add_up() -> None:
    first, second = Contention(Steps(1, 1.0, 1.0, 0.5), Steps(2, 3.0, 5.0, 1.0)), Contention(Steps(3, 2.0, 2.0, 0.0))
    assert (first + second) - first == second
