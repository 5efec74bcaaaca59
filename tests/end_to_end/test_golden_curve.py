"""The demo's pre-training takes the very steps that it took when its curve was last changed on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.golden_curve import STEPS, agree, kept, kind, make_curve

CHANGED = "the curve changed; if that is meant: python -m tests.end_to_end.golden_curve, and say why in the commit"


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_demo_takes_the_steps_that_are_kept(tmp_path: Path) -> None:
    found, curves = make_curve(tmp_path), kept()
    assert len(found) == STEPS and curves
    if kind() in curves:
        assert found == curves[kind()], CHANGED
    assert all(len(steps) == STEPS and agree(found, steps) for steps in curves.values()), CHANGED
