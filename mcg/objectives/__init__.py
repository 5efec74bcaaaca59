"""Objectives: one file per loss. To add one, write its file and name it here (docs/adding.md)."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from mcg.objectives.contrastive import Contrastive, ContrastiveConfig
from mcg.objectives.generation import Generation, GenerationConfig
from mcg.objectives.masked_lm import MaskedLM, MaskedLMConfig
from mcg.objectives.token_contrast import TokenContrast, TokenContrastConfig

OBJECTIVES: dict[str, Any] = {
    "contrastive": Contrastive,
    "token_contrast": TokenContrast,
    "masked_lm": MaskedLM,
    "generation": Generation,
}


class ObjectivesConfig(BaseModel):
    """The losses of a run; one that is absent is not computed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    contrastive: ContrastiveConfig | None = None
    """Video-text contrastive loss over the global batch."""
    token_contrast: TokenContrastConfig | None = None
    """Words against patches within a sample."""
    masked_lm: MaskedLMConfig | None = None
    """Masked-language modelling with the video in view."""
    generation: GenerationConfig | None = None
    """Generation of answers or captions."""

    def build(self) -> dict[str, Any]:
        """Name -> objective, of those that are present with a weight above 0."""
        chosen = {name: getattr(self, name) for name in OBJECTIVES}
        return {n: OBJECTIVES[n](config) for n, config in chosen.items() if config is not None and config.weight > 0}
