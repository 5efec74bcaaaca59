"""Objectives: one file per loss. To add one, write its file and name it here (docs/adding.md)."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from mcg.compat import Compat
from mcg.objectives.classification import Classification, ClassificationConfig
from mcg.objectives.contrastive import Contrastive, ContrastiveConfig
from mcg.objectives.generation import Generation, GenerationConfig
from mcg.objectives.masked_lm import MaskedLM, MaskedLMConfig
from mcg.objectives.matching import Matching, MatchingConfig
from mcg.objectives.token_contrast import TokenContrast, TokenContrastConfig

OBJECTIVES: dict[str, Any] = {
    "contrastive": Contrastive,
    "token_contrast": TokenContrast,
    "masked_lm": MaskedLM,
    "matching": Matching,
    "generation": Generation,
    "classification": Classification,
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
    matching: MatchingConfig | None = None
    """Telling fitting pairs of video and text from hard negatives."""
    generation: GenerationConfig | None = None
    """Generation of answers or captions."""
    classification: ClassificationConfig | None = None
    """The right one of a list of answers."""
    compat: Compat = "corrected"
    """Slips of the release, corrected or as released; follows the run's `compat`."""

    def build(self) -> dict[str, Any]:
        """Name -> objective, of those that are present with a weight above 0."""
        chosen = {name: getattr(self, name) for name in OBJECTIVES}
        chosen = {name: config for name, config in chosen.items() if config is not None and config.weight > 0}
        built = {name: OBJECTIVES[name](config) for name, config in chosen.items()}
        if "token_contrast" in chosen:
            built["token_contrast"] = TokenContrast(chosen["token_contrast"], self.compat == "released")
        return built
