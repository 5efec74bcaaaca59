"""Configs of tasks are told apart by name, and build their tasks."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from pydantic import TypeAdapter, ValidationError

from mcg.answering import ANSWERINGS
from mcg.tasks.config import OpenQAConfig, TaskConfig
from tests.mcg.small_model import TEXTS

_CLIP = {"num_frames": 2, "size": 32}
_ADAPTER: TypeAdapter[Any] = TypeAdapter(TaskConfig)


@pytest.mark.parametrize("name", ["pretrain", "open_qa", "multiple_choice", "retrieval", "captioning"])
def test_each_task_is_built_by_its_config(name: str) -> None:
    config = _ADAPTER.validate_python({"name": name, "clip": _CLIP})
    task = config.build(TEXTS)
    assert task.name == config.name == name and task.config is config


def test_an_unknown_task_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValidationError, match="'pretrain', 'open_qa', 'multiple_choice'"):
        _ADAPTER.validate_python({"name": "chat", "clip": _CLIP})


def test_an_answer_list_is_asked_for_where_answers_are_chosen_from_one() -> None:
    with pytest.raises(ValidationError, match="answering is 'ranking', which needs answer_list"):
        _ADAPTER.validate_python({"name": "open_qa", "clip": _CLIP, "answering": "ranking"})


def test_the_vocabulary_is_a_setting_of_the_model() -> None:
    with pytest.raises(ValidationError, match=r"vocabulary is a setting of the model; write model\.vocabulary"):
        _ADAPTER.validate_python({"name": "pretrain", "clip": _CLIP, "vocabulary": None})


def test_the_ways_of_answering_are_those_of_the_table() -> None:
    assert get_args(OpenQAConfig.model_fields["answering"].annotation) == tuple(ANSWERINGS)
