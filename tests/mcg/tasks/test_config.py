"""Configs of tasks are told apart by name, and build their tasks."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from mcg.tasks.config import ClipTaskConfig, TaskConfig
from shards.media.clip_config import ClipConfig

_CLIP = {"num_frames": 2, "size": 32}
_ADAPTER: TypeAdapter[Any] = TypeAdapter(TaskConfig)


@pytest.mark.parametrize("name", ["pretrain", "open_qa", "multiple_choice"])
def test_each_task_is_built_by_its_config(name: str) -> None:
    config = _ADAPTER.validate_python({"name": name, "clip": _CLIP})
    task = config.build()
    assert task.name == config.name == name and task.config is config


def test_an_unknown_task_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValidationError, match="'pretrain', 'open_qa', 'multiple_choice'"):
        _ADAPTER.validate_python({"name": "chat", "clip": _CLIP})


def test_an_answer_list_is_asked_for_where_answers_are_chosen_from_one() -> None:
    with pytest.raises(ValidationError, match="answering is 'ranking', which needs answer_list"):
        _ADAPTER.validate_python({"name": "open_qa", "clip": _CLIP, "answering": "ranking"})


def test_a_config_that_builds_nothing_is_named() -> None:
    with pytest.raises(NotImplementedError, match="ClipTaskConfig must say which task it builds"):
        ClipTaskConfig(clip=ClipConfig(num_frames=2, size=32)).build()
