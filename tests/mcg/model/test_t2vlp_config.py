"""T2VLP's config: the released sizes, the clips that fit, sizes that do not go together, what `released` stands for."""

from __future__ import annotations

import re
from typing import Any

import pytest

from mcg.config import load_config
from mcg.model.t2vlp_config import T2vlpConfig
from shards.base import ConfigError
from shards.media import ClipConfig
from tests.mcg.small_t2vlp import t2vlp_config
from tests.small_configs import ROOT

BASE = T2vlpConfig(name="t2vlp")


def test_the_defaults_are_the_released_sizes() -> None:
    assert (BASE.vision.width, BASE.vision.num_layers, BASE.vision.joint_from) == (768, 12, 10)
    assert BASE.fusion is not None and (BASE.fusion.width, BASE.fusion.num_layers) == (512, 6)
    assert BASE.num_video_tokens + 32 == 53
    BASE.check_clip(ClipConfig(num_frames=12, size=224))


def test_clips_of_another_size_or_of_more_frames_are_refused() -> None:
    with pytest.raises(ValueError, match=r"num_frames is 13, but model\.max_frames is 12"):
        BASE.check_clip(ClipConfig(num_frames=13, size=224))
    with pytest.raises(ValueError, match=r"task\.clip\.size is 256, but model\.vision\.image_size is 224"):
        BASE.check_clip(ClipConfig(num_frames=12, size=256))


@pytest.mark.parametrize(
    ("config", "overrides", "told"),
    [
        ("ft_didemo_ret", ["task.max_text_tokens=57"], " + 57 words (task.max_text_tokens) = 78 tokens, and model."),
        ("pt_stage1", ["task.max_text_tokens=57"], "model.fusion.max_positions is 77; take shorter texts, fewer"),
        ("ft_msrvtt_cap", ["task.max_caption_tokens=58"], " + 57 words (task.max_caption_tokens - 1) = 78 tokens"),
        (
            "ft_msrvtt_qa",
            ["task.max_question_tokens=49"],
            "1 mean + 12 frames + 8 tubes + 49 words (task.max_question_tokens) + 8 slots (task.max_answer_tokens - 2) "
            "= 78 tokens",
        ),
        ("clip4clip_msrvtt_ret", ["task.max_text_tokens=78"], "model.text.max_positions is 77; take shorter texts"),
    ],
)
def test_texts_for_which_there_are_no_places_are_refused_with_the_sum(
    config: str, overrides: list[str], told: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(told)):
        load_config(ROOT / f"configs/t2vlp/{config}.yaml", overrides)


def test_fewer_frames_leave_places_for_longer_texts() -> None:
    shorter = ["task.clip.num_frames=11", "task.max_text_tokens=57"]
    assert load_config(ROOT / "configs/t2vlp/ft_didemo_ret.yaml", shorter).task.clip.num_frames == 11
    with pytest.raises(ConfigError, match=r"12 frames \+ 8 tubes \+ 57 words"):
        evaluated = ["task.evaluation_clip={num_frames: 12, size: 224}"]
        load_config(ROOT / "configs/t2vlp/ft_didemo_ret.yaml", [*shorter, *evaluated])


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"max_frames": 70}, r"1 mean \+ 70 frames \+ 8 tubes = 79 tokens of a video leave no place for words among "),
        ({"max_frames": 80, "tubes": None}, r"1 mean \+ 80 frames = 81 tokens"),
        ({"text": {"contrastive_width": 256}}, r"text\.contrastive_width is 256 and vision\.contrastive_width 512"),
        ({"fusion": {"width": 256}}, r"fusion\.width is 256 and vision\.contrastive_width 512; give both one width"),
    ],
)
def test_sizes_that_do_not_go_together_are_refused(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        T2vlpConfig.model_validate({"name": "t2vlp", **fields})


def test_what_is_not_there_is_told_with_the_setting_that_adds_it() -> None:
    config = t2vlp_config(tubes=None, fusion=None)
    assert config.missing("fuse") == "this model has no fusion; set model.fusion"
    assert config.missing("tubes") == "this model has no tubes; set model.tubes"
    assert config.missing("video_features") is None


def test_as_released_padding_attends_matching_is_over_the_batch_and_norms_decay() -> None:
    tree = {"compat": "released", "model": {"compat": "released", "match_norm": "row"}, "optim": {"weight_decay": 0.2}}
    found = T2vlpConfig.released(tree)
    assert (found["model"]["padding"], found["model"]["match_norm"]) == ("attends", "row")
    ((pattern, group),) = found["optim"]["groups"].items()
    assert "layer_norm" in pattern and group == {"weight_decay": 0.2}
    assert T2vlpConfig.released({"compat": "corrected", "model": {}}) == {"compat": "corrected", "model": {}}
