"""The steps that are asked for are traced, and no others."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from mcg.engine.config import EngineConfig
from mcg.engine.record.profile import StepProfile
from tests.mcg.engine.small_engine import make_batch, make_engine


def test_a_trace_and_a_table_tell_where_the_time_of_the_steps_goes(device: torch.device, tmp_path: Path) -> None:
    engine, profile, told = make_engine(device), StepProfile(tmp_path, (2, 3)), []
    for step in range(1, 6):
        profile.before(step)
        engine.train_step([make_batch()])
        told.append(profile.after(step))
    engine.close()
    place = tmp_path / "profile" / "steps-2-3"
    assert told == [None, None, f"profile of steps 2 to 3: {place}.json.gz (ui.perfetto.dev) and .txt", None, None]
    trace = json.loads(gzip.decompress(Path(f"{place}.json.gz").read_bytes()))
    names = [event.get("name") for event in trace["traceEvents"]]
    for name in ("forward", "backward", "update"):
        assert names.count(name) == 2, name
    table = Path(f"{place}.txt").read_text()
    assert "Self CPU" in table and "aten::" in table


def test_a_resumed_run_traces_what_is_left(tmp_path: Path) -> None:
    profile = StepProfile(tmp_path, (2, 3))
    profile.before(3)
    torch.ones(3).sum()
    told = profile.after(3)
    assert told is not None and "steps 3 to 3" in told
    profile.before(4)
    assert profile.after(4) is None


def test_a_run_that_ends_earlier_traces_what_it_has_done(tmp_path: Path) -> None:
    profile = StepProfile(tmp_path, (2, 9))
    for step in (2, 3):
        profile.before(step)
        torch.ones(3).sum()
        told = profile.after(step, ends=step == 3)
    assert told is not None and "steps 2 to 3" in told


def test_without_the_setting_nothing_is_written(tmp_path: Path) -> None:
    profile = StepProfile(tmp_path, None)
    profile.before(1)
    assert profile.after(1) is None and not list(tmp_path.iterdir())


@pytest.mark.parametrize("steps", [(0, 3), (5, 4)])
def test_steps_that_are_none_are_refused(steps: tuple[int, int]) -> None:
    with pytest.raises(ValidationError, match=r"are no first and last step, counted from 1; write e\.g\. \[11, 13\]"):
        EngineConfig(profile=steps)
