"""Configs of clips: what makes no sense is refused with the field and the reason."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from shards.base.errors import ConfigError
from shards.media.clip import plan_clip
from shards.media.clip_config import ClipConfig
from tests.shards.media.plans import (
    FITS,
    SAMPLINGS,
    video,
)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"resize": 70}, "fit squash does not crop"),
        ({"fit": "center_crop", "resize": 63}, "resize 63 is less than size 64"),
        ({"num_frames": 0}, "num_frames"),
        ({"size": 0}, "size"),
        ({"flip": 1.5}, "flip"),
        ({"sampling": "middle"}, "'segment', 'fps', 'fps_middle' or 'released_uniform'"),
        ({"sampling": "fps"}, "sampling fps needs fps, the frames per second of a clip"),
        ({"sampling": "fps_middle"}, "sampling fps_middle needs fps"),
        ({"fps": 2}, "fps is 2, but sampling uniform does not go by time; leave fps out or set sampling to fps"),
        ({"sampling": "segment", "fps": 2.5}, "fps is 2.5, but sampling segment does not go by time"),
        ({"sampling": "fps", "fps": 0}, "fps: .* greater than 0"),
        ({"num_clips": 0}, "num_clips"),
        ({"num_clips": 200, "num_frames": 32}, "num_clips 200 times num_frames 32 is more than 4096 frames"),
        ({"fit": "random_resized_crop", "resize": 70}, "fit random_resized_crop scales its box; leave resize out"),
        ({"crop_area": (0.5, 1)}, "crop_area is for fit random_resized_crop, but fit is squash; leave it out"),
        ({"fit": "random_crop", "crop_aspect": (0.5, 1)}, "crop_aspect is for fit random_resized_crop"),
        ({"fit": "random_resized_crop", "crop_area": (0, 1)}, r"crop_area must be .* between 0.02 and 1, found \(0.0"),
        ({"fit": "random_resized_crop", "crop_area": (0.9, 0.5)}, "crop_area must be"),
        ({"fit": "random_resized_crop", "crop_aspect": (1, float("nan"))}, "crop_aspect must be"),
        (
            {"crop_each": True},
            "crop_each is for fit random_crop and squash_random_crop, but fit is squash; leave it out",
        ),
        ({"pictures": {"fit": "random_crop", "resize": 63}}, "pictures.resize 63 is less than size 64"),
        ({"pictures": {"crop_area": (0.5, 1)}}, "ClipConfig: pictures: crop_area is for fit random_resized_crop"),
        ({"pictures": {"num_frames": 1}}, "pictures.num_frames: unknown field"),
        ({"randaugment": {"level": 12}}, "randaugment.level: "),
        ({"frames": 4}, "ClipConfig: frames: unknown field\\n  did you mean 'num_frames'"),
    ],
)
def test_configs_that_make_no_sense_are_refused(config: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ClipConfig(**{"num_frames": 4, "size": 64, **config})  # type: ignore[arg-type]


def test_the_examples_of_the_documentation_are_allowed() -> None:
    text = (Path(__file__).parents[3] / "docs" / "clips.md").read_text(encoding="utf-8")
    examples = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert len(examples) == 4
    for example in examples:
        config = ClipConfig.model_validate(OmegaConf.to_container(OmegaConf.create(example)))
        plan_clip(video(100, keys=[0, 50]), config, np.random.default_rng(0))
    for name in (*ClipConfig.model_fields, *SAMPLINGS, *FITS):
        assert f"`{name}`" in text
