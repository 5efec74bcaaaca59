"""Configs of models are checked and build their models; reading them loads no torch."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from mcg.model.config import MCGConfig
from mcg.model.mcg import MCG
from tests.mcg.small_model import VOCABULARY, model_config, text_config, vision_config

_HEAVY = ("torch", "transformers", "timm", "deepspeed")


@pytest.mark.parametrize("module", ["mcg.model.config", "mcg.objectives.config", "mcg.tasks.config"])
def test_configs_load_nothing_heavy(module: str) -> None:
    script = f"import sys, {module}; print(*[name for name in {_HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=250)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")


def test_a_config_builds_its_model() -> None:
    model = model_config().build(VOCABULARY)
    assert isinstance(model, MCG) and model.config == model_config()


def test_different_widths_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"vision\.width 16 and text\.width 32 must be equal: fusion runs over"):
        MCGConfig(vision=vision_config(), text=text_config(width=32))
