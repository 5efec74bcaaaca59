"""Tubes: what learned centres find in every frame of a clip, followed through time (T2VLP; docs/facts/t2vlp.md 1).

A centre attends over the patches of each frame by plain dot products. What it finds in T frames, behind the mean [CLS],
goes through a transformer of its own without positions; its first token, projected, is the tube. Nothing here knows
the order of frames.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from mcg.model.parts.clip import ClipBlocks, ClipHead, plain_mean
from mcg.model.parts.configs import ClipBlocksConfig, ClipVisionConfig, TubesConfig


class TubeStates(NamedTuple):
    """Tubes of a clip, one for each centre."""

    tubes_BKE: Tensor
    """In the space that frames share with texts, not of unit length."""
    attention_BKTP: Tensor
    """Share of each patch of a frame in what a centre found there."""
    centres_KE: Tensor
    """The centres in the space of texts, to look for the same in words."""


class Tubes(nn.Module):
    """See the module."""

    def __init__(self, config: TubesConfig, vision: ClipVisionConfig) -> None:
        super().__init__()
        self.config = config
        D = vision.width
        self.centres = nn.Parameter(torch.randn(1, 1, config.num_centres, D) * D**-0.5)
        self.text_proj = nn.Linear(D, vision.contrastive_width)
        blocks = ClipBlocksConfig(
            width=D, num_layers=config.num_layers, num_heads=vision.num_heads, activation=vision.activation
        )
        self.blocks = ClipBlocks(blocks)
        self.head = ClipHead(D, vision.contrastive_width)

    def forward(self, middle_BTVD: Tensor, mask_BT: Tensor | None = None) -> TubeStates:
        """middle_BTVD: FrameStates.middle_BTVD. mask_BT: bool, True at frames that take part; None: all do."""
        if not self.config.middle_gradient:
            middle_BTVD = middle_BTVD.detach()
        B, D = len(middle_BTVD), middle_BTVD.shape[3]
        centres_KD = self.centres[0, 0].clone()  # torch counts no operations of a module that is given a weight itself
        patches_BTPD = middle_BTVD[:, :, 1:]
        attention_BTKP = (centres_KD @ patches_BTPD.transpose(2, 3)).softmax(-1)
        found_BKTD = (attention_BTKP @ patches_BTPD).transpose(1, 2)
        K = len(centres_KD)
        start_BD = plain_mean(middle_BTVD[:, :, 0], mask_BT)
        sequences_BKSD = torch.cat([start_BD[:, None, None].expand(B, K, 1, D), found_BKTD], 2)
        seen = None
        if mask_BT is not None:
            start_B1 = torch.ones_like(mask_BT[:, :1])
            seen = torch.cat([start_B1, mask_BT], 1).repeat_interleave(K, 0)
        ends_NSD = self.blocks(sequences_BKSD.flatten(0, 1), seen)
        tubes_BKE = self.head(ends_NSD[:, 0]).view(B, K, -1)
        return TubeStates(tubes_BKE, attention_BTKP.transpose(1, 2), self.text_proj(centres_KD))
