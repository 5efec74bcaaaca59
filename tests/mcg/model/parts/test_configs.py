"""Configs of parts: settings that contradict each other are refused."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError

from mcg.model.parts.configs import ClipTextConfig, ClipVisionConfig, VideoSwinConfig
from tests.mcg.small_model import text_config


def test_a_split_that_leaves_no_text_layer_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"num_fusion_layers 2 leaves none of num_layers 2 for text"):
        text_config(num_fusion_layers=2)


def test_a_preset_of_video_swin_gives_what_is_not_given() -> None:
    tiny = VideoSwinConfig.model_validate(
        {"preset": "tiny", "depths": [2, 2], "num_heads": [3, 6], "window": [4, 7, 7]}
    )
    assert (tiny.width, tiny.depths, tiny.num_heads, tiny.window) == (96, (2, 2), (3, 6), (4, 7, 7))
    assert VideoSwinConfig.model_validate(tiny.model_dump(mode="json")) == tiny
    with pytest.raises(ValidationError, match=r"'tiny', 'small' or 'base'"):
        VideoSwinConfig.model_validate({"preset": "large"})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"depths": [2, 2]}, r"num_heads \(4, 8, 16, 32\) and depths \(2, 2\) .* must be of one length"),
        ({"width": 102}, r"num_heads 4 does not divide the 102 channels"),
        ({"depths": [1], "num_heads": [4]}, "at least two blocks"),
        ({"depths": [], "num_heads": []}, "at least 1 item"),
        ({"window": [8, 7]}, "window"),
        ({"depths": [2, 0, 2, 2]}, "greater than 0"),
    ],
)
def test_stages_of_video_swin_that_do_not_fit_are_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        VideoSwinConfig.model_validate(fields)


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        (ClipVisionConfig, {"width": 100}, r"num_heads 12 does not divide width 100"),
        (ClipTextConfig, {"num_heads": 7}, r"num_heads 7 does not divide width 512"),
        (ClipVisionConfig, {"patch_size": 15}, r"patch_size 15 does not divide image_size 224"),
        (ClipVisionConfig, {"joint_from": 13}, r"joint_from 13 is behind the last of num_layers 12 blocks"),
        (ClipVisionConfig, {"activation": "relu"}, r"'quick_gelu' or 'gelu'"),
    ],
)
def test_sizes_of_clip_that_do_not_fit_are_refused(
    kind: type[BaseModel], fields: dict[str, object], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        kind.model_validate(fields)
