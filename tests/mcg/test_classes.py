"""Every class that a config names is there, and configured by that config."""

from __future__ import annotations

from typing import get_args

import pytest

from mcg.classes import ClassConfig
from mcg.model import MODELS
from mcg.model.model import Model
from mcg.objectives.config import ObjectivesConfig
from mcg.objectives.objective import Objective
from mcg.tasks.config import TaskConfig
from mcg.tasks.task import Task

_OBJECTIVES = [get_args(f.annotation)[0] for n, f in ObjectivesConfig.model_fields.items() if n != "compat"]
_BASES = {Model: MODELS.values(), Objective: _OBJECTIVES, Task: get_args(get_args(TaskConfig)[0])}


@pytest.mark.parametrize(("config", "base"), [(config, base) for base, configs in _BASES.items() for config in configs])
def test_a_config_names_its_class(config: type[ClassConfig], base: type) -> None:
    found = config.load_class()
    assert issubclass(found, base) and found is not base
