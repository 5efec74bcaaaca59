"""A small model that reads byte pairs and answers at an empty slot: gray frames and words in one encoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mcg.model.model import Model
from mcg.model.parts.configs import JointEncoderConfig
from mcg.model.parts.joint_encoder import JointEncoder
from mcg.model.states import Fused, TextStates, VideoStates
from mcg.text.byte_pair_texts import BytePairTexts
from tests.mcg.small_lavender import lavender_config

BYTE_PAIRS = BytePairTexts()


class SlotModel(Model):
    """In evaluation mode. The state of an empty slot is none."""

    def __init__(self) -> None:
        super().__init__(lavender_config())
        torch.manual_seed(0)
        sizes = JointEncoderConfig(width=16, num_layers=2, num_heads=2, max_positions=80, dropout=0, init_std=0.3)
        self.text = JointEncoder(sizes, BYTE_PAIRS.size)
        self.vision = nn.Linear(3, 16)
        self.eval()

    def encode_video(
        self, frames_BTHWC: Tensor, mask_BT: Tensor | None = None, with_attention: bool = False
    ) -> VideoStates:
        states = self.vision(frames_BTHWC.float().mean((2, 3)) / 64)
        return VideoStates(states, torch.ones(states.shape[:2], dtype=torch.bool))

    def encode_text(
        self, ids_BL: Tensor, mask_BL: Tensor, contrastive: bool = False, with_attention: bool = False
    ) -> TextStates:
        empty_BL = ids_BL == BYTE_PAIRS.empty_id
        place_BL = torch.arange(ids_BL.shape[1]).expand_as(ids_BL)
        states = self.text.embed(ids_BL.masked_fill(empty_BL, 0), place_BL).masked_fill(empty_BL[..., None], 0)
        return TextStates(states, mask_BL, None, (empty_BL * place_BL).amax(1))

    def fuse(self, text: TextStates, video: VideoStates, causal: bool = False) -> Fused:
        V = video.mask_BV.shape[1]
        seen_BF = torch.cat([video.mask_BV, text.mask_BL], 1)
        states = self.text(torch.cat([video.tokens_BVD, text.states_BLD], 1), seen_BF[:, None])
        return Fused(states[:, V:], text.mask_BL, states[:, :V], video.mask_BV, text.slot_B)

    def token_logits(self, states_ND: Tensor) -> Tensor:
        return self.text.predictions(states_ND)
