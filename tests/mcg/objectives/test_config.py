"""Configs of objectives build them: those with a weight, by name."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from mcg.objectives.config import ObjectivesConfig
from tests.mcg.small_model import OBJECTIVES


def test_each_objective_is_built_by_its_config() -> None:
    config = ObjectivesConfig.model_validate({name: {"weight": 0.5} for name in OBJECTIVES})
    built = config.build()
    assert list(built) == list(OBJECTIVES)
    assert all(built[name].config is getattr(config, name) for name in OBJECTIVES)


def test_an_objective_that_is_absent_or_of_weight_zero_is_not_built() -> None:
    config = ObjectivesConfig.model_validate({"contrastive": {}, "matching": {"weight": 0}})
    assert list(config.chosen()) == list(config.build()) == ["contrastive"]


def test_a_negative_weight_is_refused() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        ObjectivesConfig.model_validate({"contrastive": {"weight": -1}})
