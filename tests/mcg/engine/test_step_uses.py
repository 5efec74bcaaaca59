"""A step is of the use that the dataset of its batches is for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mcg.engine.step_uses import StepUse, StepUses
from tests.mcg.engine.small_engine import make_batch

ONLY = StepUse(None, 2)


def test_without_uses_every_step_is_the_only_ones() -> None:
    assert StepUses(None, ONLY).of([make_batch(), replace(make_batch(), dataset=None)]) is ONLY


def test_a_step_is_of_the_use_of_its_dataset() -> None:
    uses = StepUses({"shapes": StepUse("qa", 1), "b": StepUse("captions", 2)}, ONLY)
    assert uses.of([make_batch()]).name == "qa"
    assert uses.of([replace(make_batch(), dataset="b")] * 2) == ("captions", 2)
    with pytest.raises(AssertionError):
        uses.of([make_batch(), replace(make_batch(), dataset="b")])
