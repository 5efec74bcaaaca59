"""LAVENDER's config: the released sizes, the clips that fit, and what it provides."""

from __future__ import annotations

from typing import Any

import pytest

from mcg.config import load_config
from mcg.engine.optim import build_optimizer
from mcg.model.lavender_config import LavenderConfig
from shards.base import ConfigError
from shards.media import ClipConfig
from tests.mcg.small_lavender import make_lavender
from tests.small_configs import ROOT

BASE = LavenderConfig(name="lavender")
QA = ROOT / "configs/lavender/ft_msrvtt_qa.yaml"


def test_the_defaults_are_the_released_sizes() -> None:
    assert (BASE.vision.width, BASE.vision.depths, BASE.text.width, BASE.text.num_layers) == (
        128,
        (2, 2, 18, 2),
        768,
        12,
    )
    BASE.check_clip(ClipConfig(num_frames=5, size=224))


def test_clips_of_more_frames_or_patches_than_there_are_embeddings_are_refused() -> None:
    with pytest.raises(ValueError, match=r"num_frames is 7, but model\.max_frames is 6"):
        BASE.check_clip(ClipConfig(num_frames=7, size=224))
    with pytest.raises(
        ConfigError, match=r"ft_msrvtt_qa\.yaml: task\.evaluation_clip\.num_frames is 8, but model\.max_f"
    ):
        load_config(QA, ["task.evaluation_clip={num_frames: 8, size: 224}"])
    with pytest.raises(ValueError, match=r"size 480 gives 225 patches, but model\.max_patches is 196"):
        BASE.check_clip(ClipConfig(num_frames=4, size=480))


def test_as_released_the_matching_of_pretraining_reads_the_masked_texts() -> None:
    both = {"masked_lm": {}, "batch_matching": {}}
    for objectives, given, text in (
        ({**both, "compat": "released"}, "released", "masked"),
        ({**both, "compat": "released", "batch_matching": {"text": "plain"}}, "released", "plain"),
        ({"batch_matching": {}, "compat": "released"}, "released", None),  # retrieval masks no words
        ({**both, "compat": "corrected"}, "corrected", None),
    ):
        found = LavenderConfig.released({"compat": given, "objectives": objectives})["objectives"]["batch_matching"]
        assert found.get("text") == text


def test_as_released_every_frame_is_cut_by_itself() -> None:
    for compat in ("corrected", "released"):
        task = load_config(QA, [f"compat={compat}"]).task
        assert task.clip.crop_each == (compat == "released") and not task.clip.for_evaluation().crop_each
    assert not load_config(QA, ["compat=released", "task.clip.crop_each=false"]).task.clip.crop_each
    assert not load_config(QA, ["compat=released", "task.clip.fit=squash"]).task.clip.crop_each


@pytest.mark.parametrize("fit", ["img_rand_crop", "i"])
def test_a_crop_by_a_name_that_is_none_is_refused(fit: str) -> None:
    with pytest.raises(ConfigError, match=r"task\.clip\.fit: .*'random_crop'"):
        load_config(QA, [f"task.clip.fit={fit}"])


@pytest.mark.parametrize("decay", [1e-3, 0.25])
def test_as_released_norms_of_swin_and_embeddings_of_places_are_decayed(decay: float) -> None:
    model = make_lavender()
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    decayed = {}
    for compat in ("corrected", "released"):
        groups = build_optimizer(
            model, load_config(QA, [f"compat={compat}", f"optim.weight_decay={decay}"]).optim
        ).param_groups
        assert {group["weight_decay"] for group in groups} == {0, decay}
        decayed[compat] = {names[id(p)] for group in groups if group["weight_decay"] for p in group["params"]}
    assert decayed["released"] == {n for n in names.values() if "bias" not in n and "LayerNorm." not in n}
    not_ours = decayed["released"] - decayed["corrected"]
    assert (
        decayed["corrected"] < decayed["released"]
        and {"frames.norm.weight", "frames.frame_embed", "frames.cls_token"} < not_ours
    )
    assert not [name for name in decayed["corrected"] if "norm" in name.lower() or name.endswith("_embed")]
    own = load_config(QA, ["compat=released", "optim.groups={'vision\\..+': {lr_factor: 0.1}}"]).optim
    assert list(own.groups) == [r"vision\..+"]


def test_what_it_provides_is_there_and_what_it_lacks_is_named() -> None:
    model, by_task = make_lavender(), LavenderConfig(name="lavender", heads="task")
    for name in BASE.provides():
        assert (BASE.missing(name) is None) == (name != "classify")
        assert (by_task.missing(name) is None) == (name != "slot")
        assert name in ("slot", "causal") or hasattr(model, name)
    assert BASE.missing("classify") == "this model has no classifier; set model.heads to task"
    assert BASE.missing("video_features") == (
        "this model has no video_features, and no setting of model.name 'lavender' adds it"
    )


def _switched(task: dict[str, Any], objectives: dict[str, Any], **more: Any) -> dict[str, Any]:
    use = {"task": task, "objectives": objectives, "data": {"train": {"blend": [{"path": "a/train"}]}}}
    assert LavenderConfig.adapted({"name": "lavender"}, use) == use
    found = LavenderConfig.adapted({"heads": "task"}, use, **more)
    assert LavenderConfig.adapted({"heads": "task"}, found, **more) == found  # a stored config is read again
    return found


def test_with_heads_by_task_words_are_classified() -> None:
    found = _switched(
        {"answering": "masked_word", "answer_list": "b"}, {"masked_lm": {"weight": 2}, "compat": "released"}
    )
    assert found["task"] == {"answering": "classification", "answer_list": "b"}
    assert found["objectives"] == {"classification": {"weight": 2}, "compat": "released"}
    found = _switched({"answering": "masked_word"}, {"masked_lm": {}})
    assert found["task"]["answer_list"] == "a/train"  # a blank has no list
    found = _switched({"choosing": "numbered"}, {"masked_lm": {}, "classification": {"label_smoothing": 0.1}}, head="x")
    assert found["task"] == {"choosing": "classification", "head": "x"}
    assert found["objectives"] == {"classification": {"head": "x", "label_smoothing": 0.1}}


def test_with_heads_by_task_texts_compete_and_masked_words_stay() -> None:
    found = _switched({"name": "pretrain"}, {"masked_lm": {}, "batch_matching": {"texts_per_video": 4}})
    assert found["objectives"] == {"masked_lm": {}, "batch_matching": {"loss": "softmax", "texts_per_video": 4}}
    found = _switched({"choosing": "matching"}, {"choice_matching": {"loss": "pair"}})
    assert found["objectives"] == {"choice_matching": {"loss": "pair"}} and found["task"] == {"choosing": "matching"}


def test_sections_of_no_known_form_are_left_for_the_validator() -> None:
    for use in ({}, {"task": [], "objectives": {}}, {"task": {"answering": "masked_word"}, "objectives": 3}):
        assert LavenderConfig.adapted({"heads": "task"}, use) == use
    for data in (
        None,
        [],
        {"train": 3},
        {"train": {"blend": []}},
        {"train": {"blend": [{"path": "a"}, {"path": "b"}]}},
    ):
        use = {"task": {"answering": "masked_word"}, "objectives": {"masked_lm": None}, "data": data}
        assert LavenderConfig.adapted({"heads": "task"}, use)["task"]["answer_list"] is None


def test_the_number_of_classes_is_counted_or_stated() -> None:
    by_task = LavenderConfig(name="lavender", heads="task", num_classes={"a": 9})
    assert by_task.with_classes("a", 9, "task.answer_list x") == by_task
    assert by_task.with_classes("b", 7, "task.answer_list x").num_classes == {"a": 9, "b": 7}
    for count in (7, 10):  # a list that has changed since would name other answers
        message = rf"model\.num_classes\.a is 9, and task\.answer_list x has {count} answers; leave it out, or name the"
        with pytest.raises(ValueError, match=message):
            by_task.with_classes("a", count, "task.answer_list x")
    with pytest.raises(
        ValueError, match=r"task\.answer_list x has 10 answers to classify: .* set model\.heads to task"
    ):
        BASE.with_classes("a", 10, "task.answer_list x")
