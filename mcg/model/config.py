"""Configs of the models. This file imports no torch: a config is read and checked before a model is built."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mcg.compat import Compat

if TYPE_CHECKING:
    from mcg.model.mcg import MCG


class TimeSformerConfig(BaseModel):
    """Size of the visual encoder; the defaults are ViT-B/16 on 4 frames, as MCG pre-trains."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    image_size: int = Field(default=224, gt=0)
    """Height and width of a frame, pixels."""
    patch_size: int = Field(default=16, gt=0)
    """Height and width of a patch, pixels; must divide image_size."""
    num_frames: int = Field(default=4, gt=0)
    """Frames in a clip."""
    width: int = Field(default=768, gt=0)
    """Channels of a token."""
    depth: int = Field(default=12, gt=0)
    """Number of blocks."""
    num_heads: int = Field(default=12, gt=0)
    """Attention heads; must divide width."""
    mlp_ratio: float = Field(default=4.0, gt=0)
    """Hidden width of the MLP as a multiple of width."""
    drop_path: float = Field(default=0.1, ge=0, lt=1)
    """Stochastic depth of the last block; grows linearly from 0 over the blocks."""
    init_std: float = Field(default=0.02, gt=0)
    """Standard deviation of the initial linear weights. A narrow model from scratch wants about 1 / sqrt(width)."""
    position_std: float = Field(default=0.02, gt=0)
    """Standard deviation of the initial position embeddings, and of the time embeddings unless temporal_identity."""
    temporal_identity: bool = True
    """Start with time embeddings and temporal_fc at zero, so that a block begins as a plain ViT block: right for image
    weights, slow from scratch."""


class TextConfig(BaseModel):
    """Size of the text encoder and the decoder; the defaults are BERT base."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    width: int = Field(default=768, gt=0)
    """Channels of a token; equals model.vision.width, since fusion concatenates the two."""
    num_layers: int = Field(default=12, gt=0)
    """Layers of the encoder, of text and fusion together."""
    num_fusion_layers: int | None = Field(default=None, gt=0)
    """The last of them that are for fusion alone, 6 of 12 in ALPRO; None: both passes run all of them, as in MCG."""
    fusion: Literal["concatenation", "cross_attention"] = "concatenation"
    """Self-attention over [text ; video], as released, or text that cross-attends to the video (MCG's figure)."""
    num_heads: int = Field(default=12, gt=0)
    """Attention heads; must divide width."""
    num_decoder_layers: int = Field(default=12, ge=0)
    """Layers of the answer decoder; 0: there is none, and nothing can be generated."""
    token_head: Literal["untied", "tied", "none"] = "untied"
    """Output layer of masked-language modelling: with weights of its own (MCG), with those of the word embeddings
    (ALPRO, BERT), or absent."""
    max_positions: int = Field(default=512, gt=1)
    """Longest text in tokens."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Dropout of hidden states and attention weights."""
    init_std: float = Field(default=0.02, gt=0)
    """Standard deviation of the initial weights. A narrow model from scratch wants about 1 / sqrt(width)."""

    @model_validator(mode="after")
    def _layers_for_both(self) -> TextConfig:
        if self.num_fusion_layers is not None and self.num_fusion_layers >= self.num_layers:
            raise ValueError(
                f"num_fusion_layers {self.num_fusion_layers} leaves none of num_layers {self.num_layers} for text; "
                "leave it out for layers that serve both"
            )
        return self


class MCGConfig(BaseModel):
    """Sizes of an MCG model; the defaults are MCG base."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: Literal["mcg"] = "mcg"
    """Which model this is."""
    vision: TimeSformerConfig = TimeSformerConfig()
    """The visual encoder."""
    text: TextConfig = TextConfig()
    """Text encoder, fusion and decoder."""
    contrastive_width: int = Field(default=256, gt=0)
    """Channels of the space in which videos and texts are compared."""
    temperature: float = Field(default=0.07, ge=0.001, le=0.5)
    """Divisor of the contrastive logits at the start; learned, kept within [0.001, 0.5]."""
    matching_head: bool = False
    """Whether there is a head that tells fitting pairs of video and text from others (ALPRO)."""
    num_classes: int | None = Field(default=None, ge=2)
    """Entries of the list of answers that a classifier chooses from (ALPRO's QA); None: there is no classifier."""

    compat: Compat = "corrected"
    """Slips of the release, corrected or as released; follows the run's `compat`."""

    def parts(self) -> dict[str, tuple[bool, str]]:
        """Of each objective that needs a part of its own: whether the model has it, and the setting that adds it."""
        return {
            "masked_lm": (self.text.token_head != "none", "model.text.token_head: untied"),
            "generation": (self.text.num_decoder_layers > 0, "model.text.num_decoder_layers"),
            "matching": (self.matching_head, "model.matching_head: true"),
            "classification": (self.num_classes is not None, "model.num_classes to the length of the answer list"),
        }

    @model_validator(mode="after")
    def _widths_agree(self) -> MCGConfig:
        if self.vision.width != self.text.width:
            raise ValueError(
                f"vision.width {self.vision.width} and text.width {self.text.width} must be equal: fusion runs over "
                "the concatenation of both"
            )
        return self

    def build(self, vocab_size: int) -> MCG:
        """The model, freshly drawn. vocab_size: entries of the vocabulary, added tokens included."""
        from mcg.model.mcg import MCG

        return MCG(self, vocab_size)


ModelConfig = MCGConfig
