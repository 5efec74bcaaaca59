"""States of all ranks, with exact gradients through those that travelled."""

from __future__ import annotations

import torch

from mcg import distributed
from mcg.model.states import TextStates, VideoStates


def gathered_texts(text: TextStates) -> TextStates:
    """The texts of all ranks, padded to the longest."""
    text = text.padded(distributed.largest(text.mask_BL.shape[1], text.mask_BL.device))
    mask = distributed.gather_with_gradient(text.mask_BL.to(torch.uint8))
    places = [None if part is None else distributed.gather(part) for part in (text.slot_B, text.prefix_B)]
    return TextStates(distributed.gather_with_gradient(text.states_BLD), mask.bool(), None, *places)


def gathered_videos(video: VideoStates) -> VideoStates:
    """The videos of all ranks."""
    mask = distributed.gather_with_gradient(video.mask_BV.to(torch.uint8))
    return VideoStates(distributed.gather_with_gradient(video.tokens_BVD), mask.bool())
