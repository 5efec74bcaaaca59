"""A run goes back to its newest checkpoint, weights and optimiser alike, and not for ever to the same one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mcg.engine.rewind import Rewind
from mcg.engine.saving import save_checkpoint
from mcg.engine.store.background import Background
from tests.mcg.engine.small_engine import CURSOR, make_batch, make_engine, weights


@pytest.mark.parametrize("stage", [0, 1])
@pytest.mark.parametrize("in_background", [False, True])
def test_it_trains_on_as_from_the_checkpoint(
    tmp_path: Path, device: torch.device, stage: int, in_background: bool
) -> None:
    engine = make_engine(device, zero_stage=stage)
    background = Background() if in_background else None
    if background is not None:
        engine.before_update = background.wait_for_copy
    rewind = Rewind(tmp_path, engine, background)
    assert rewind() == "there is no checkpoint yet to go back to"
    engine.train_step([make_batch(0)])
    save_checkpoint(tmp_path, engine, CURSOR, {}, 2, background=background)
    first = engine.train_step([make_batch(1)])
    after = weights(engine)
    engine.train_step([make_batch(2)])
    for _ in range(3):
        assert rewind() is None
        assert engine.step == 1
        assert engine.train_step([make_batch(1)]) == first
    assert all(torch.equal(after[name], value) for name, value in weights(engine).items())
    assert rewind() == "it has gone back to step 1 3 times, and goes on"
    assert engine.step == 2
