"""Config of MCG, and with other settings of ALPRO (configs/alpro)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from mcg.model.config import ModelConfig, Provision
from mcg.model.mcg_released import released
from mcg.model.parts.configs import TextConfig, TimeSformerConfig
from shards.media import ClipConfig

_ALWAYS = (
    "encode_video",
    "encode_text",
    "video_features",
    "text_features",
    "patch_features",
    "word_features",
    "fuse",
    "attention",
)
"""Verbs and parts that every MCG has; attention is that of [CLS] to patches and to words."""


class MCGConfig(ModelConfig):
    """Sizes of an MCG model; the defaults are MCG base."""

    builds = "mcg.model.mcg:MCG"

    name: Literal["mcg"] = "mcg"
    """Name of the model."""
    vision: TimeSformerConfig = TimeSformerConfig()
    """The visual encoder."""
    text: TextConfig = TextConfig()
    """Text encoder, fusion and decoder."""
    contrastive_width: int = Field(default=256, gt=0)
    """Channels of the space in which videos and texts are compared."""
    temperature: float = Field(default=0.07, ge=0.001, le=0.5)
    """Divisor of the contrastive logits at the start; learned, kept within [0.001, 0.5]."""
    matching_head: bool = False
    """Adds a head that tells matching pairs of video and text from others (ALPRO)."""
    num_entities: int | None = Field(default=None, ge=2)
    """Entities that a head tells from a region of the video (ALPRO's entity prompting); None: there is no such head."""
    num_classes: int | None = Field(default=None, ge=2)
    """Entries of the list of answers that a classifier chooses from (ALPRO's QA); None: there is no classifier."""

    def provides(self) -> dict[str, Provision]:
        always = Provision(True, "", "")
        decoder = Provision(self.text.num_decoder_layers > 0, "decoder", "model.text.num_decoder_layers to 1 or more")
        return {
            **dict.fromkeys(_ALWAYS, always),
            "token_logits": Provision(
                self.text.token_head != "none", "head for masked words", "model.text.token_head to untied or tied"
            ),
            "match_logits": Provision(self.matching_head, "head for matching", "model.matching_head: true"),
            "entity_logits": Provision(
                self.num_entities is not None, "head for entities", "model.num_entities to the length of their list"
            ),
            "classify": Provision(
                self.num_classes is not None, "classifier", "model.num_classes to the length of the answer list"
            ),
            "decode": decoder,
            "generate": decoder,
            "caption": decoder,
        }

    def with_classes(self, head: str, count: int, place: str) -> MCGConfig:
        if self.num_classes is None or self.num_classes < count:
            raise ValueError(
                f"model.num_classes is {self.num_classes}, and {place} has {count} answers; set it to that number or "
                "more"
            )
        return self

    @classmethod
    def released(cls, tree: dict[str, Any]) -> dict[str, Any]:
        return released(tree)

    def check_clip(self, clip: ClipConfig, name: str = "task.clip") -> None:
        for field, found, expected in (
            ("num_frames", clip.num_frames, self.vision.num_frames),
            ("size", clip.size, self.vision.image_size),
        ):
            if found != expected:
                raise ValueError(
                    f"{name}.{field} is {found}, but model.vision is made for {expected}; set both to the same"
                )

    @model_validator(mode="after")
    def _widths_agree(self) -> MCGConfig:
        if self.vision.width != self.text.width:
            raise ValueError(
                f"vision.width {self.vision.width} and text.width {self.text.width} must be equal: fusion runs over "
                "the concatenation of both"
            )
        return self
