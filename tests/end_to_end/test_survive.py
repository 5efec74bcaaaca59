"""A run of two ranks that is killed within steps, saves, evaluations and copies ends as the run that is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.small_runs import Runs
from tests.end_to_end.survival import CHECKS, SPANS, Topology, compare, live, num_steps, survive

pytestmark = [pytest.mark.timeout(900), pytest.mark.long]


def test_a_run_that_is_killed_at_random_moments_ends_as_the_one_that_is_not(runs: Runs, tmp_path: Path) -> None:
    topology, kills = Topology(ranks=2, stage=2), len(SPANS)
    steps = num_steps(kills)
    found = survive(runs, tmp_path / "killed", topology, steps, kills, seed=0)
    assert found.problem is None
    assert len(found.kills) == kills and frozenset().union(*found.kills) == set(SPANS)
    live(runs, tmp_path / "whole", topology, steps)
    assert compare(tmp_path / "killed", tmp_path / "whole", topology, steps) == dict.fromkeys(CHECKS, "")
