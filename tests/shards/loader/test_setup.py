"""Setup: the planner and the cursor of a loader's settings and datasets."""

from __future__ import annotations

from pathlib import Path

import pytest

from shards.decode.backends import open_backend
from shards.loader.feed import open_feed
from shards.loader.quarantine import Ledger
from shards.loader.setup import Setup
from shards.loader.stages.watch import Watch
from shards.loader.stats import Stats
from shards.order.blend import Blend
from shards.order.plan import EvaluationPlanner, RunPosition, TrainingPlanner
from tests.shards.small_dataset import config, encode, write_dataset


@pytest.mark.parametrize(
    ("mode", "planner", "unit"), [("train", TrainingPlanner, "step"), ("eval", EvaluationPlanner, "pass")]
)
def test_the_mode_chooses_the_planner_and_the_unit_of_the_cursor(
    tmp_path: Path, mode: str, planner: type, unit: str
) -> None:
    settings = config(("cc", write_dataset(tmp_path / "cc", "cc", 9)), mode=mode, batch_size=4, seed=7)
    feeds = [open_feed(dataset, settings) for dataset in settings.blend]
    blend, stats = Blend([1.0], "step"), Stats()
    setup = Setup(settings, 1, 2, feeds, blend, encode, open_backend("cpu"), Ledger(), stats, Watch(stats, 30.0))
    assert setup.training == (mode == "train")
    assert isinstance(setup.planner(), planner)
    (plan,) = setup.planner().plans(RunPosition(0, (0,)), 1)
    assert len(plan.elements) == 2 and plan.after.positions == (4,)
    cursor = setup.cursor(plan.after)
    assert (cursor.q, cursor.positions, cursor.seed, cursor.unit) == (plan.after.q, (4,), 7, unit)
    assert (cursor.batch_size, cursor.world_size, cursor.shards) == (4, 2, (2,))
    assert (cursor.datasets, cursor.decoder, cursor.shifts) == (("cc",), "cpu", ())
