"""Configs of the parts that models are put together from. No torch is imported here."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


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
