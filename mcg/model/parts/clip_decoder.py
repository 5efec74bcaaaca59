"""Words that are written through CLIP's text tower and a fusion behind it: both see what stands before, the fusion the
video too.

A step runs the new word of each sentence through both; the keys of what stands before are kept (PrefixDecoder).
"""

from __future__ import annotations

import torch
from torch import Tensor

from mcg.model.parts.clip import ClipText
from mcg.model.parts.clip_fusion import ClipFusion, WordHead
from mcg.model.parts.prefix_decoder import KeyCache, PrefixDecoder
from mcg.model.states import GenerationPlan


def towers_decoder(
    text: ClipText, fusion: ClipFusion, head: WordHead, video_BVE: Tensor, mask_BV: Tensor, plan: GenerationPlan
) -> PrefixDecoder:
    """The sentences of a beam search about videos. video_BVE: what the fusion takes of them; mask_BV: True at real
    tokens. Raises ValueError where the longest sentences have more tokens than there are places."""
    room = fusion.config.max_positions - video_BVE.shape[1]
    longest = min(room, text.config.max_positions)
    if plan.max_tokens - 1 > longest:
        raise ValueError(
            f"captions of up to {plan.max_tokens} tokens, and behind {video_BVE.shape[1]} tokens of video there are "
            f"{room} of model.fusion.max_positions, and {text.config.max_positions} of model.text.max_positions; set "
            f"task.max_caption_tokens to {longest + 1} at most"
        )
    words = KeyCache(room=1 + (plan.max_tokens - 2) * plan.num_beams)
    layers = _Towers(text, fusion, head, words)
    return PrefixDecoder(layers, video_BVE, mask_BV, plan, reader_id=None, words=words)


class _Towers:
    """Text tower, fusion and head as the layers of a PrefixDecoder."""

    def __init__(self, text: ClipText, fusion: ClipFusion, head: WordHead, words: KeyCache) -> None:
        self._text, self._fusion, self._words = text, fusion, words
        self._num_prefix, self._place = 0, 0
        self.predictions = head

    def embed(self, ids_BL: Tensor, place_BL: Tensor) -> Tensor:
        self._place = self._num_prefix + int(place_BL.flatten()[0]) if place_BL.numel() else 0
        return self._text.embed(ids_BL, place_BL)

    def __call__(self, states_BFD: Tensor, seen: Tensor, cache: KeyCache) -> Tensor:
        if not self._num_prefix:
            self._num_prefix = states_BFD.shape[1]
            return self._fusion(states_BFD, seen, cache=cache)
        words = self._text.blocks(states_BFD, seen[..., self._num_prefix :], cache=self._words)
        place_F = torch.full(states_BFD.shape[1:2], self._place, device=states_BFD.device)
        return self._fusion(self._text.head(words), seen, place_F, cache)
