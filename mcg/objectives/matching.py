"""Video-text matching with hard negatives (VTM; ALPRO section 3.2, docs/facts/mcg_alpro.md 2.2).

Of every sample three pairs are fused: its own, its video with a text that is not its own, and its text with a video
that is not its own. The head tells the first from the others; the loss is the cross-entropy over all 3 B pairs. The
negatives are hard: the more alike video and text are in the contrastive space, the likelier they are drawn.

They come from the whole global batch (ALPRO takes those of its own GPU, so its loss depends on how a batch is spread),
with exact gradients through the states that travelled. That gathers the states of the global batch, V + L tokens of D
channels each: 0.7 MB a sample in fp32 at base size. What is drawn is a function of (seed, step, micro-batch, numbers of
both samples in the global batch), so a global batch has one loss at any number of ranks. A micro-batch of
`accumulation_steps` is a global batch by itself, as for the contrast: its negatives are its own.
Gives up: two samples with the same caption are negatives of each other, as released.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mcg import distributed
from mcg.model.states import TextStates, VideoStates
from mcg.objectives.config import MatchingConfig
from mcg.objectives.objective import Objective
from mcg.objectives.states import States
from shards.order import UInt64, hash64, name_hash


class Matching(Objective):
    """Scalar, mean over the pairs of this rank. Raises ValueError for a global batch of one sample."""

    config: MatchingConfig

    def forward(self, states: States) -> Tensor:
        model, video, text = states.model, states.video, states.text
        text_B, video_B = self._negatives(states)
        own = states.fused
        texts, videos = _gather_texts(text), _gather_videos(video)
        texts_2B = _stack(texts.rows(text_B), _pad_to(text, texts.mask_BL.shape[1]))
        chosen = videos.rows(video_B)
        videos_2B = VideoStates(
            torch.cat([video.tokens_BVD, chosen.tokens_BVD]), torch.cat([video.mask_BV, chosen.mask_BV])
        )
        logits = torch.cat([model.match_logits(own), model.match_logits(model.fuse(texts_2B, videos_2B))]).float()
        truth = torch.zeros(len(logits), dtype=torch.int64, device=logits.device)
        truth[: len(text_B)] = 1
        return functional.cross_entropy(logits, truth)

    @torch.no_grad()
    def _negatives(self, states: States) -> tuple[Tensor, Tensor]:
        """Numbers in the global batch of a text for each video and of a video for each text, int64 (B,)."""
        video_BE, text_BE = states.video_features.float(), states.text_features.float()
        video_GE, text_GE = distributed.gather_with_gradient(video_BE), distributed.gather_with_gradient(text_BE)
        B, G = len(video_BE), len(video_GE)
        if G < 2:
            raise ValueError("objectives.matching needs a global batch of two samples or more; raise data.*.batch_size")
        own_B = np.arange(B) + B * distributed.rank()
        chosen = []
        for side, (query_BE, key_GE) in enumerate(((video_BE, text_GE), (text_BE, video_GE))):
            logits_BG = query_BE @ key_GE.T / states.model.temperature
            logits_BG[range(B), own_B] = float("-inf")
            if self.config.negatives == "sampled":
                address = hash64(states.seed, name_hash("matching"), side, own_B[:, None], np.arange(G))
                logits_BG = logits_BG + _gumbel(address).to(logits_BG.device)
            chosen.append(logits_BG.argmax(1))
        return chosen[0], chosen[1]


def _gumbel(words: UInt64) -> Tensor:
    """Standard Gumbel numbers, float64, of random words. The place of the largest of logits + Gumbel numbers has the
    probabilities of the logits' softmax (Gumbel-max), and one of logit -inf is never it."""
    uniform = ((words >> np.uint64(12)) + 0.5) * 2.0**-52  # within (0, 1), both ends excluded
    return torch.from_numpy(-np.log(-np.log(uniform)))


def _gather_texts(text: TextStates) -> TextStates:
    """The texts of all ranks, padded to the longest."""
    L = distributed.largest(text.mask_BL.shape[1], text.mask_BL.device)
    text = _pad_to(text, L)
    mask = distributed.gather_with_gradient(text.mask_BL.to(torch.uint8))
    return TextStates(distributed.gather_with_gradient(text.states_BLD), mask.bool())


def _gather_videos(video: VideoStates) -> VideoStates:
    """The videos of all ranks."""
    mask = distributed.gather_with_gradient(video.mask_BV.to(torch.uint8))
    return VideoStates(distributed.gather_with_gradient(video.tokens_BVD), mask.bool())


def _pad_to(text: TextStates, L: int) -> TextStates:
    more = L - text.mask_BL.shape[1]
    return TextStates(functional.pad(text.states_BLD, (0, 0, 0, more)), functional.pad(text.mask_BL, (0, more)))


def _stack(first: TextStates, second: TextStates) -> TextStates:
    return TextStates(torch.cat([first.states_BLD, second.states_BLD]), torch.cat([first.mask_BL, second.mask_BL]))
