"""TimeSformer of Kinetics: every weight but the classifier's, times resized."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mcg.convert.convert import detect
from mcg.convert.reading import Released
from tests.mcg.convert import layouts
from tests.mcg.convert.layouts import SMALL, Sizes, draw
from tests.mcg.convert.small_conversions import converted, small_config

EIGHT = Sizes(**{**SMALL.__dict__, "frames": 8})


@pytest.mark.parametrize(("prefix", "classes"), [("model.", 400), ("", 600)])
def test_all_but_the_head_is_taken(prefix: str, classes: int) -> None:
    state = draw(layouts.vit(prefix, EIGHT, time=True, classes=classes))
    assert detect(Released(Path("a.pyth"), state, "model_state")).name == "timesformer"
    conversion = converted(state, "timesformer", small_config())
    assert conversion.counts()["dropped"] == 2
    found = conversion.state["vision.time_embed"]
    assert torch.equal(found, state[f"{prefix}time_embed"][:, [0, 4]])  # 8 frames to 2, nearest
    assert all(name.startswith("vision.") for name in conversion.state)
    assert converted(state, "timesformer").config.vision.num_frames == 8
