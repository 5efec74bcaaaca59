"""The config of MCG: which clips it is made for, and which settings do not fit together."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from mcg.model.mcg_config import MCGConfig
from shards import ClipConfig
from tests.mcg.small_model import model_config, text_config, vision_config


def test_different_widths_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"vision\.width 16 and text\.width 32 must be equal: fusion runs over"):
        MCGConfig(vision=vision_config(), text=text_config(width=32))


def test_clips_of_another_size_are_refused() -> None:
    config = model_config()
    config.check_clip(ClipConfig(num_frames=2, size=32))
    for name, fields in (("num_frames", {"num_frames": 4, "size": 32}), ("size", {"num_frames": 2, "size": 16})):
        with pytest.raises(ValueError, match=rf"task\.clip\.{name} is \d+, but model\.vision is made for"):
            config.check_clip(ClipConfig.model_validate(fields))
