"""MCG: a visual encoder, one BERT that encodes text and fuses it with video, and a generating decoder.

Follows the released code (facts/mcg_alpro.md section 3) in any size. It offers verbs and computes no loss:

    encode_video -> VideoStates     encode_text -> TextStates     fuse -> TextStates over [text ; video]
    project_video, project_text -> unit vectors of the contrastive space      decode, generate -> answers
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from mcg.model.bert import Decoder, TextConfig, TextEncoder, TextStates
from mcg.model.timesformer import TimeSformer, TimeSformerConfig, VideoStates

PIXEL_MEAN = (0.48145466, 0.4578275, 0.40821073)
PIXEL_STD = (0.26862954, 0.26130258, 0.27577711)
"""CLIP's pixel statistics, which ALPRO and MCG use (facts/mcg_alpro.md section 1)."""


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

    @model_validator(mode="after")
    def _widths_agree(self) -> MCGConfig:
        if self.vision.width != self.text.width:
            raise ValueError(
                f"vision.width {self.vision.width} and text.width {self.text.width} must be equal: fusion runs over "
                "the concatenation of both"
            )
        return self


class MCG(nn.Module):
    """See the module. vocab_size counts [DEC] and [ENC] too (TextCodec.size)."""

    def __init__(self, config: MCGConfig, vocab_size: int) -> None:
        super().__init__()
        self.config = config
        self.vision = TimeSformer(config.vision)
        self.text = TextEncoder(config.text, vocab_size)
        self.decoder = Decoder(config.text, vocab_size)
        self.vision_proj = nn.Linear(config.vision.width, config.contrastive_width)
        self.text_proj = nn.Linear(config.text.width, config.contrastive_width)
        # one element instead of a scalar, which DeepSpeed cannot broadcast
        self.temp = nn.Parameter(torch.tensor([config.temperature]))
        self.pixel_mean: Tensor
        self.pixel_std: Tensor
        self.register_buffer("pixel_mean", torch.tensor(PIXEL_MEAN).view(3, 1, 1) * 255, persistent=False)
        self.register_buffer("pixel_std", torch.tensor(PIXEL_STD).view(3, 1, 1) * 255, persistent=False)

    def checkpoint_activations(self, on: bool) -> None:
        """Recompute the activations of each block in the backward pass instead of keeping them."""
        self.vision.activation_checkpointing = on
        self.text.activation_checkpointing = on
        self.decoder.checkpoint_activations(on)

    @property
    def temperature(self) -> Tensor:
        """The learned divisor, kept within [0.001, 0.5]; a scalar. Gradient passes the bounds, or a value that a step
        took over one of them would stay there for good."""
        return (self.temp + (self.temp.clamp(0.001, 0.5) - self.temp).detach())[0]

    def encode_video(self, frames_BTHWC: Tensor, with_attention: bool = False) -> VideoStates:
        """frames_BTHWC: uint8 RGB, as a Batch has them."""
        pixels = frames_BTHWC.permute(0, 1, 4, 2, 3).float()
        pixels = (pixels - self.pixel_mean.float()) / self.pixel_std.float()
        return self.vision(pixels.to(self.vision_proj.weight.dtype), with_attention)

    def encode_text(self, ids_BL: Tensor, mask_BL: Tensor, with_attention: bool = False) -> TextStates:
        """ids_BL: int64; mask_BL: bool, True at real tokens."""
        return self.text(ids_BL, mask_BL, with_attention)

    def fuse(self, text: TextStates, video: VideoStates) -> TextStates:
        """Self-attention over [text ; video], F = L + V tokens."""
        return self.text.fuse(text, video.tokens_BVD)

    def project_video(self, states_xD: Tensor) -> Tensor:
        """Unit vectors (..., E) of video states (..., D)."""
        return functional.normalize(self.vision_proj(states_xD), dim=-1)

    def project_text(self, states_xD: Tensor) -> Tensor:
        """Unit vectors (..., E) of text states (..., D)."""
        return functional.normalize(self.text_proj(states_xD), dim=-1)

    def token_logits(self, states_ND: Tensor) -> Tensor:
        """Vocabulary logits (N, K) of fused states, for masked-language modelling."""
        return self.text.token_logits(states_ND)

    def decode(self, ids_BA: Tensor, mask_BA: Tensor, memory: TextStates) -> Tensor:
        """Decoder states (B, A, D) of answers that start with [DEC]."""
        return self.decoder(ids_BA, mask_BA, memory)

    def answer_logits(self, states_ND: Tensor) -> Tensor:
        """Next-token logits (N, K) of decoder states."""
        return self.decoder.token_logits(states_ND)

    def generate(
        self, memory: TextStates, *, start_id: int, end_id: int, pad_id: int, num_beams: int, max_tokens: int
    ) -> Tensor:
        """Beam search: int64 (B, up to max_tokens), start_id included."""
        return self.decoder.generate(
            memory, start_id=start_id, end_id=end_id, pad_id=pad_id, num_beams=num_beams, max_tokens=max_tokens
        )
