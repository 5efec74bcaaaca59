"""Models: one assembly per system, built from parts, one file each; a model offers verbs and computes no loss.

A new model is an assembly, its config, and a line in `MODELS` (docs/adding.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcg.model.config import ModelConfig, one_of
from mcg.model.lavender_config import LavenderConfig
from mcg.model.mcg_config import MCGConfig
from mcg.model.t2vlp_config import T2vlpConfig

MODELS: dict[str, type[ModelConfig]] = {"mcg": MCGConfig, "lavender": LavenderConfig, "t2vlp": T2vlpConfig}
"""Configs of the models by `model.name`; a config without a name is of the first one."""

if TYPE_CHECKING:
    AnyModelConfig = ModelConfig
else:
    AnyModelConfig = one_of(MODELS)
    """A config of one of MODELS."""
