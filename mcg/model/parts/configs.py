"""Configs of the parts that models are put together from. No torch is imported here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator


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


_SWINS: dict[str, dict[str, Any]] = {
    "tiny": {"width": 96, "depths": (2, 2, 6, 2), "num_heads": (3, 6, 12, 24)},
    "small": {"width": 96, "depths": (2, 2, 18, 2), "num_heads": (3, 6, 12, 24)},
    "base": {"width": 128, "depths": (2, 2, 18, 2), "num_heads": (4, 8, 16, 32)},
}
"""Sizes of the published models (Liu et al. 2022); the window is (8, 7, 7) in all of them."""


class VideoSwinConfig(BaseModel):
    """Size of a Video Swin transformer; the defaults are base, as LAVENDER has it. It takes clips of any size."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    preset: Literal["tiny", "small", "base"] | None = None
    """A published size, for those of width, depths and num_heads that are not given."""
    width: int = Field(default=128, gt=0)
    """Channels of a token in the first stage; every stage has twice as many as the one before."""
    depths: tuple[PositiveInt, ...] = Field(default=(2, 2, 18, 2), min_length=1)
    """Blocks of each stage, two or more together. Between stages, height and width are halved."""
    num_heads: tuple[PositiveInt, ...] = (4, 8, 16, 32)
    """Attention heads of each stage; must divide its width."""
    window: tuple[PositiveInt, PositiveInt, PositiveInt] = (8, 7, 7)
    """Frames, height and width of an attention window, in tokens; every second block shifts it by half."""
    drop_path: float = Field(default=0.2, ge=0, lt=1)
    """Stochastic depth of the last block; grows linearly from 0 over the blocks."""
    init_std: float = Field(default=0.02, gt=0)
    """Standard deviation of the initial linear weights. A narrow model from scratch wants about 1 / sqrt(width)."""

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each stage."""
        return tuple(self.width * 2**number for number in range(len(self.depths)))

    def patches(self, size: int) -> int:
        """Patches of a frame of size x size pixels after the last stage."""
        return math.ceil(size / (4 * 2 ** (len(self.depths) - 1))) ** 2

    @model_validator(mode="before")
    @classmethod
    def _fill_preset(cls, values: Any) -> Any:
        if not isinstance(values, Mapping) or not isinstance(values.get("preset"), str):
            return values
        return {**_SWINS.get(values["preset"], {}), **values}

    @model_validator(mode="after")
    def _stages_fit(self) -> VideoSwinConfig:
        if len(self.num_heads) != len(self.depths):
            raise ValueError(
                f"num_heads {self.num_heads} and depths {self.depths} have a number for each stage, so they must be of "
                "one length"
            )
        if sum(self.depths) < 2:
            raise ValueError("depths (1,): one block alone has no shifted windows; give at least two blocks")
        for width, heads in zip(self.widths, self.num_heads, strict=True):
            if width % heads:
                raise ValueError(f"num_heads {heads} does not divide the {width} channels of its stage")
        return self


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


class JointEncoderConfig(BaseModel):
    """Size of a BERT over video and text together; the defaults are BERT base."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    width: int = Field(default=768, gt=0)
    """Channels of a token."""
    num_layers: int = Field(default=12, gt=0)
    """Number of layers."""
    num_heads: int = Field(default=12, gt=0)
    """Attention heads; must divide width."""
    max_positions: int = Field(default=512, gt=1)
    """Longest text in tokens; those of the video are not counted."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Dropout of hidden states and attention weights."""
    init_std: float = Field(default=0.02, gt=0)
    """Standard deviation of the initial weights. A narrow model from scratch wants about 1 / sqrt(width)."""

    @model_validator(mode="after")
    def _heads_divide_the_width(self) -> JointEncoderConfig:
        if self.width % self.num_heads:
            raise ValueError(f"num_heads {self.num_heads} does not divide width {self.width}")
        return self


class ClipBlocksConfig(BaseModel):
    """Size of a stack of CLIP's blocks; the defaults are the two that T2VLP runs over its tubes."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    width: int = Field(default=768, gt=0)
    """Channels of a token."""
    num_layers: int = Field(default=2, gt=0)
    """Number of blocks."""
    num_heads: int = Field(default=12, gt=0)
    """Attention heads; must divide width. Every released CLIP has heads of 64 channels."""
    activation: Literal["quick_gelu", "gelu"] = "quick_gelu"
    """Of the MLP: x sigmoid(1.702 x) in OpenAI's models, which most others follow, gelu in some of open_clip's."""

    @model_validator(mode="after")
    def _heads_divide_the_width(self) -> ClipBlocksConfig:
        if self.width % self.num_heads:
            raise ValueError(f"num_heads {self.num_heads} does not divide width {self.width}")
        return self


class ClipVisionConfig(ClipBlocksConfig):
    """Size of CLIP's visual tower; the defaults are ViT-B/16."""

    num_layers: int = Field(default=12, gt=0)
    """Number of blocks."""
    image_size: int = Field(default=224, gt=0)
    """Height and width of a frame, pixels."""
    patch_size: int = Field(default=16, gt=0)
    """Height and width of a patch, pixels; must divide image_size."""
    contrastive_width: int = Field(default=512, gt=0)
    """Channels of the space that frames share with texts."""
    joint_from: int | None = Field(default=None, ge=0)
    """The first block, from 0, whose attention is over the tokens of all frames of a clip, 10 in T2VLP; None: every
    block sees one frame, as in CLIP."""

    @model_validator(mode="after")
    def _sizes_fit(self) -> ClipVisionConfig:
        if self.image_size % self.patch_size:
            raise ValueError(f"patch_size {self.patch_size} does not divide image_size {self.image_size}")
        if self.joint_from is not None and self.joint_from > self.num_layers:
            raise ValueError(
                f"joint_from {self.joint_from} is behind the last of num_layers {self.num_layers} blocks, which are "
                "numbered from 0; leave it out for blocks that all see one frame"
            )
        return self


class ClipTextConfig(ClipBlocksConfig):
    """Size of CLIP's text tower; the defaults are those beside ViT-B."""

    width: int = Field(default=512, gt=0)
    """Channels of a token."""
    num_layers: int = Field(default=12, gt=0)
    """Number of blocks."""
    num_heads: int = Field(default=8, gt=0)
    """Attention heads; must divide width. Every released CLIP has heads of 64 channels."""
    max_positions: int = Field(default=77, gt=1)
    """Longest text in tokens, start and end counted."""
    contrastive_width: int = Field(default=512, gt=0)
    """Channels of the space that texts share with frames."""


class TubesConfig(BaseModel):
    """Tubes over the frames of a clip; the defaults are T2VLP's."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    num_centres: int = Field(default=8, gt=0)
    """Learned centres, each of which becomes one tube of every clip."""
    num_layers: int = Field(default=2, gt=0)
    """Blocks of the transformer that runs along each tube."""
    middle_gradient: bool = True
    """Gradients of tubes go on into the visual tower, as in T2VLP's first stage; False: they end there, as in its
    second and in fine-tuning."""


class ClipFusionConfig(ClipBlocksConfig):
    """Size of T2VLP's fusion; the defaults are the released ones."""

    width: int = Field(default=512, gt=0)
    """Channels of a token, those of the space that frames share with texts."""
    num_layers: int = Field(default=6, gt=0)
    """Number of blocks."""
    num_heads: int = Field(default=8, gt=0)
    """Attention heads; must divide width."""
    max_positions: int = Field(default=77, gt=1)
    """Tokens of the longest sequence: the mean of the frames, frames, tubes and words."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Dropout of the states that heads read."""
    input_gradient: bool = True
    """Gradients go on into what is fused; False: they end there, as in the release's retrieval."""
