"""What is said once reaches the sections that do not say it themselves, and what follows from the model is there."""

from __future__ import annotations

from typing import Any

import pytest

from mcg.config.spreading import spread


def test_seed_mode_and_compat_reach_the_sections_that_have_none() -> None:
    found = spread({"seed": 3, "compat": "released", "task": {}, "data": {"train": {}, "val": {"seed": 4}, "test": 7}})
    assert found["data"] == {"train": {"seed": 3}, "val": {"seed": 4, "mode": "eval"}, "test": 7}
    assert found["task"]["compat"] == "released"


def test_answers_follow_the_heads_of_the_model_and_are_named_by_their_use() -> None:
    tree = {
        "model": {"name": "lavender", "heads": "task"},
        "task": {"name": "open_qa", "answering": "masked_word", "answer_list": "a.json"},
        "objectives": {"masked_lm": {}},
    }
    assert spread(tree)["task"]["answering"] == "classification"
    assert spread(tree, "msvd")["task"]["head"] == "msvd"
    assert spread({**tree, "model": {"name": "lavender"}})["task"]["answering"] == "masked_word"


@pytest.mark.parametrize("tree", [{}, {"model": 3}, {"model": {"name": "none"}, "data": []}])
def test_what_is_no_config_is_left_to_the_validator(tree: dict[str, Any]) -> None:
    spread(tree)
