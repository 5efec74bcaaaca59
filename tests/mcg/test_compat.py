"""One key brings the slips of the release back, in every section that they are in."""

from __future__ import annotations

import pytest

from mcg.compat import spread_compat
from mcg.config import ConfigError, load_config

PRETRAIN = "configs/demo/pt.yaml"


def test_slips_are_corrected_unless_said_otherwise() -> None:
    config = load_config(PRETRAIN)
    sections = (config, config.model, config.objectives, config.task)
    assert {section.compat for section in sections} == {"corrected"} and config.optim.weight_decay == 0.01


def test_the_key_reaches_model_objectives_task_and_optimiser() -> None:
    config = load_config(PRETRAIN, ["compat=released"])
    sections = (config, config.model, config.objectives, config.task)
    assert {section.compat for section in sections} == {"released"}
    assert config.optim.weight_decay == 0.0 and config.optim.lr == 5e-4


def test_a_section_may_differ() -> None:
    config = load_config(PRETRAIN, ["compat=released", "objectives.compat=corrected"])
    assert (config.model.compat, config.objectives.compat) == ("released", "corrected")


def test_another_word_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"compat: Input should be 'corrected' or 'released', found 'relased'"):
        load_config(PRETRAIN, ["compat=relased"])


def test_sections_that_are_no_mappings_are_left_for_the_validator() -> None:
    values = {"compat": "released", "model": 3, "task": None, "optim": []}
    assert spread_compat(values) == {**values, "objectives": {"compat": "released"}}
