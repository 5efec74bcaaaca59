"""One key brings the bugs of the release back, in every section that they are in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mcg.compat import spread_compat
from mcg.config import load_config, load_stored
from mcg.model.mcg_config import MCGConfig
from mcg.tasks.pretrain import Pretrain
from shards.base.errors import ConfigError
from tests.mcg.small_model import TEXTS

PRETRAIN = "configs/demo/pt.yaml"


def test_bugs_are_corrected_unless_said_otherwise() -> None:
    config = load_config(PRETRAIN)
    sections = (config, config.model, config.objectives, config.task)
    assert {section.compat for section in sections} == {"corrected"} and config.optim.weight_decay == 0.01


def test_the_key_reaches_model_objectives_task_and_optimiser() -> None:
    config = load_config("configs/pt.yaml", ["compat=released"])
    sections = (config, config.model, config.objectives, config.task)
    assert {section.compat for section in sections} == {"released"}
    assert config.optim.weight_decay == 0.0 and config.optim.lr == 1e-4


@pytest.mark.parametrize("compat", ["released", "corrected"])
@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("optim.weight_decay", 0.02),
        ("objectives.token_contrast.padded_words", 7),
        ("task.clip.randaugment.released", False),
        ("task.clip.randaugment.released", True),
        ("task.clip.pictures.randaugment.released", False),
        ("task.evaluation_clip.sampling", "uniform"),
        ("task.evaluation_clip.sampling", "segment"),
        ("model.compat", "corrected"),
        ("objectives.compat", "corrected"),
        ("task.compat", "released"),
        ("data.train.seed", 77),
        ("data.val.seed", 78),
    ],
)
def test_what_is_written_stands_whatever_is_spread(compat: str, written: str, value: object) -> None:
    augment = "{num_ops: 2, level: 5}"
    words = [
        f"task.clip.randaugment={augment}",
        f"task.clip.pictures={{randaugment: {augment}}}",
        "task.evaluation_clip={num_frames: 4, size: 64}",
    ]
    found: Any = load_config(PRETRAIN, [*words, "seed=5", f"compat={compat}", f"{written}={value}"])
    for name in written.split("."):
        found = getattr(found, name)
    assert found == value


def test_the_clip_of_evaluation_samples_as_it_says() -> None:
    words = ["compat=released", "task.evaluation_clip={num_frames: 4, size: 64, sampling: uniform}"]
    assert Pretrain(load_config(PRETRAIN, words).task, TEXTS).evaluation_clip.sampling == "uniform"  # type: ignore[arg-type]


@pytest.mark.parametrize("own", ["released", "corrected"])
def test_a_section_that_differs_is_filled_in_by_its_own_key(own: str) -> None:
    other = {"released": "corrected", "corrected": "released"}[own]
    words = ["task.clip.randaugment={num_ops: 2, level: 5}", f"compat={other}", f"task.compat={own}"]
    clip = load_config(PRETRAIN, words).task.clip
    assert clip.randaugment is not None and clip.randaugment.released == (own == "released")


def test_a_stored_config_means_the_same_when_it_is_read_again() -> None:
    words = ["compat=released", "task.evaluation_clip={num_frames: 4, size: 64}"]
    config = load_config("configs/demo/pt.yaml", words)
    assert load_stored(config.stored, "stored", ()) == config


def test_the_key_reaches_augmentation_wherever_it_is() -> None:
    augment = "{num_ops: 2, level: 5}"
    words = [f"task.clip.randaugment={augment}", f"task.clip.pictures={{randaugment: {augment}}}"]
    for compat in ("released", "corrected"):
        clip = load_config(PRETRAIN, [*words, f"compat={compat}"]).task.clip
        assert clip.randaugment is not None and clip.pictures is not None and clip.pictures.randaugment is not None
        assert {clip.randaugment.released, clip.pictures.randaugment.released} == {compat == "released"}


@pytest.mark.parametrize("own", [[], ["task.evaluation_clip={num_frames: 4, size: 64}"]])
def test_as_released_evaluation_samples_at_whole_strides(own: list[str]) -> None:
    for compat, sampling in (("released", "released_uniform"), ("corrected", "uniform")):
        config = load_config(PRETRAIN, [*own, f"compat={compat}", "task.clip.sampling=headtail"])
        assert Pretrain(config.task, TEXTS).evaluation_clip.sampling == sampling  # type: ignore[arg-type]


def test_a_section_may_differ() -> None:
    config = load_config(PRETRAIN, ["compat=released", "objectives.compat=corrected"])
    assert (config.model.compat, config.objectives.compat) == ("released", "corrected")


def test_another_word_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"compat: Input should be 'corrected' or 'released', found 'relased'"):
        load_config(PRETRAIN, ["compat=relased"])


def test_sections_that_are_no_mappings_are_left_for_the_validator() -> None:
    values = {"compat": "released", "model": 3, "task": None, "optim": []}
    assert spread_compat(values, MCGConfig.released) == {**values, "objectives": {"compat": "released"}}


@pytest.mark.parametrize("path", sorted(Path("configs/alpro").glob("*.yaml")), ids=lambda path: path.stem)
def test_one_key_brings_back_what_the_numbers_of_alpro_depend_on(path: Path) -> None:
    found = {}
    for compat in ("corrected", "released"):
        config = load_config(path, [f"compat={compat}"])
        clip = Pretrain(config.task, TEXTS).evaluation_clip  # type: ignore[arg-type]  # as of every task
        augment = config.task.clip.randaugment
        sections = {config.model.compat, config.objectives.compat, config.task.compat}
        found[compat] = (sections, config.optim.weight_decay, clip.sampling, augment and augment.released)
    augmented = load_config(path).task.clip.randaugment is not None
    assert found["corrected"] == ({"corrected"}, 1e-3, "uniform", False if augmented else None)
    assert found["released"] == ({"released"}, 0.0, "released_uniform", True if augmented else None)
