"""Configs of the objectives, each of which builds its objective.

A new objective is one file, its config here, and one field of `ObjectivesConfig` (docs/adding.md). This file imports no
torch, so that a config is read and checked before anything heavy is loaded: `build` imports the objective's module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from mcg.compat import Compat

if TYPE_CHECKING:
    from mcg.objectives.objective import Objective


class ObjectiveConfig(BaseModel):
    """The settings that every objective has."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    needs: ClassVar[tuple[str, ...]] = ()
    """Verbs and parts of the model that the objective uses (ModelConfig.provides)."""

    weight: float = Field(default=1.0, ge=0)
    """Factor of this loss in the sum."""

    def build(self, released: bool = False) -> Objective:
        """The objective. released: with the bugs of the release (mcg/compat.py)."""
        raise NotImplementedError(f"{type(self).__name__} must say which objective it builds")


class ContrastiveConfig(ObjectiveConfig):
    """Video-text contrastive loss."""

    needs = ("video_features", "text_features")

    def build(self, released: bool = False) -> Objective:
        from mcg.objectives.contrastive import Contrastive

        return Contrastive(self)


class TokenContrastConfig(ObjectiveConfig):
    """Token-grained contrast."""

    needs = ("attention", "word_features", "patch_features")

    temperature: float = Field(default=0.1, gt=0)
    """Divisor of every similarity."""
    padded_words: int | None = Field(default=None, gt=0)
    """Words that every text has in the softmax denominators of the word side, padding included, as released: one less
    than task.max_text_tokens, which is what `compat: released` sets. None: its own words only."""

    def build(self, released: bool = False) -> Objective:
        from mcg.objectives.token_contrast import TokenContrast

        return TokenContrast(self, released)


class MaskedLMConfig(ObjectiveConfig):
    """Masked-language modelling."""

    needs = ("fuse", "token_logits")

    def build(self, released: bool = False) -> Objective:
        from mcg.objectives.masked_lm import MaskedLM

        return MaskedLM(self)


class MatchingConfig(ObjectiveConfig):
    """Video-text matching."""

    needs = ("video_features", "text_features", "fuse", "match_logits")

    negatives: Literal["sampled", "hardest"] = "sampled"
    """Drawn with the probabilities that the contrastive logits give, as released, or the most probable one."""

    def build(self, released: bool = False) -> Objective:
        from mcg.objectives.matching import Matching

        return Matching(self)


class GenerationConfig(ObjectiveConfig):
    """Generation of answers."""

    needs = ("fuse", "decode")

    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    """Share of the probability that is spread evenly over the vocabulary."""

    def build(self, released: bool = False) -> Objective:
        from mcg.objectives.generation import Generation

        return Generation(self)


class ClassificationConfig(ObjectiveConfig):
    """Classification of answers."""

    needs = ("fuse", "classify")

    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Share of the probability that is spread evenly over the classes."""

    def build(self, released: bool = False) -> Objective:
        from mcg.objectives.classification import Classification

        return Classification(self)


class ObjectivesConfig(BaseModel):
    """The losses of a run; one that is absent is not computed."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

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
    """Bugs of the release, corrected or as released; follows the run's `compat`."""

    def chosen(self) -> dict[str, ObjectiveConfig]:
        """The configs of the objectives that are present with a weight above 0, by name."""
        found = {name: value for name, value in self if isinstance(value, ObjectiveConfig)}
        return {name: config for name, config in found.items() if config.weight > 0}

    def build(self) -> dict[str, Objective]:
        """The chosen objectives by name."""
        return {name: config.build(self.compat == "released") for name, config in self.chosen().items()}
