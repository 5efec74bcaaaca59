"""Configs of models are checked and build their models; reading them loads no torch."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Literal

import pytest
from pydantic import TypeAdapter, ValidationError

from mcg.model import MODELS
from mcg.model.config import ModelConfig, one_of
from mcg.model.mcg import MCG
from mcg.model.mcg_config import MCGConfig
from shards.base import ConfigError, Frozen
from tests.mcg.small_model import VOCABULARY, model_config

_HEAVY = ("torch", "transformers", "timm", "deepspeed")


@pytest.mark.parametrize("module", ["mcg.model.config", "mcg.objectives.config", "mcg.tasks.config"])
def test_configs_load_nothing_heavy(module: str) -> None:
    script = f"import sys, {module}; print(*[name for name in {_HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=250)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")


def test_a_config_builds_its_model() -> None:
    model = model_config().build(SimpleNamespace(size=VOCABULARY))
    assert isinstance(model, MCG) and model.config == model_config()


class OtherConfig(ModelConfig):
    """A second model."""

    name: Literal["other"] = "other"
    depth: int = 2


def test_models_are_told_apart_by_name_and_the_first_needs_none() -> None:
    adapter: TypeAdapter[ModelConfig] = TypeAdapter(one_of({"mcg": MCGConfig, "other": OtherConfig}))
    assert isinstance(adapter.validate_python({"matching_head": True}), MCGConfig)
    assert adapter.validate_python({"name": "other", "depth": 3}) == OtherConfig(depth=3)
    assert adapter.validate_python(OtherConfig(depth=4)) == OtherConfig(depth=4)
    with pytest.raises(ValidationError, match=r"'third' .*'mcg', 'other'"):
        adapter.validate_python({"name": "third"})
    with pytest.raises(ValidationError, match="Input should be 'mcg'"):
        TypeAdapter(one_of({"mcg": MCGConfig})).validate_python({"name": "other"})


def test_every_model_is_named_as_in_the_table() -> None:
    assert {name: config(name=name).name for name, config in MODELS.items()} == {name: name for name in MODELS}


def test_a_fault_in_one_of_several_models_has_its_path() -> None:
    class Root(Frozen):
        model: one_of({"mcg": MCGConfig, "other": OtherConfig})  # type: ignore[valid-type]

    with pytest.raises(ConfigError, match=r"Root: model\.vision\.dpth: unknown field\n  did you mean 'depth'\?"):
        Root.model_validate({"model": {"vision": {"dpth": 1}}})


@pytest.mark.parametrize("ask", [lambda c: c.provides(), lambda c: c.check_clip(None)])
def test_a_config_that_leaves_something_open_is_named(ask: Callable[[ModelConfig], object]) -> None:
    with pytest.raises(NotImplementedError, match="OtherConfig must say"):
        ask(OtherConfig())
