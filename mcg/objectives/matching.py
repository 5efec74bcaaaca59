"""Video-text matching with hard negatives (VTM; ALPRO section 3.2, docs/facts/mcg_alpro.md 2.2).

Of every sample three pairs are fused: its own, its video with a text that is not its own, and its text with a video
that is not its own. The head tells the first from the others; the loss is the cross-entropy over all 3 B pairs. The
negatives are hard: the more alike video and text are in the contrastive space, the likelier they are drawn.

They come from the whole global batch (ALPRO takes those of its own GPU, so its loss depends on how a batch is spread),
with exact gradients through the states that travelled. That gathers the states of the global batch, V + L tokens of D
channels each: 0.7 MB a sample in fp32 at base size. What is drawn is a function of (seed, step, micro-batch, numbers of
both samples in the global batch), so a global batch has one loss at any number of ranks. A micro-batch of
`accumulation_steps` is a global batch by itself: its negatives are its own.

Where engine.contrastive_batch joins micro-batches, `negatives_from: contrastive_batch` draws them from all of these, by
the cached features. The inputs of the chosen ones, not states, then come from other micro-batches and ranks, and are
encoded here with gradient. Draws, loss and gradients are those of one global batch of all, but for dropout: it falls
anew on what is encoded again.
A sample of the same video is no negative (mcg/objectives/over_pairs/same_video.py), nor is one with the same text: it
is the most alike, so it would be drawn first, and the larger the batch, the more such there are. As released both are.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mcg.model.states import Fused, TextStates, VideoStates
from mcg.objectives.config import MatchingConfig
from mcg.objectives.objective import Objective
from mcg.objectives.over_pairs.contrastive_batch import ContrastiveBatch, MicroBatch
from mcg.objectives.over_pairs.gathered_states import gathered_texts, gathered_videos
from mcg.objectives.states import States
from shards.order import UInt64, hash64, name_hash

_IGNORED = -100
"""Truth of a pair that is left out."""


class Matching(Objective):
    """Scalar, mean over the pairs of this rank. Raises ValueError for a global batch of one sample."""

    config: MatchingConfig

    def forward(self, states: States) -> Tensor:
        model, video, text = states.model, states.video, states.text
        text_B, video_B = self._negatives(states)
        has_negative_2B = torch.cat([text_B, video_B]) >= 0
        text_B, video_B = text_B.clamp(min=0), video_B.clamp(min=0)
        own = states.fused
        if self._larger_batch(states) is not None:
            texts, videos = states.encode_texts_of(text_B), states.encode_videos_of(video_B)
        else:
            texts, videos = gathered_texts(text).rows(text_B), gathered_videos(video).rows(video_B)
        texts_2B = TextStates.joined([texts, text])
        videos_2B = VideoStates(
            torch.cat([video.tokens_BVD, videos.tokens_BVD]), torch.cat([video.mask_BV, videos.mask_BV])
        )
        parts = [own, model.fuse(texts_2B, videos_2B)]
        if model.matches_over_batch:
            parts = [Fused.joined(parts)]
        logits = torch.cat([model.match_logits(part) for part in parts]).float()
        truth = torch.zeros(len(logits), dtype=torch.int64, device=logits.device)
        truth[: len(text_B)] = 1
        truth[len(text_B) :].masked_fill_(~has_negative_2B, _IGNORED)
        return functional.cross_entropy(logits, truth, ignore_index=_IGNORED)

    def _larger_batch(self, states: States) -> MicroBatch | None:
        """The place in the contrastive batch that negatives are from, where it is larger than a global batch."""
        return states.micro_batch if self.config.negatives_from == "contrastive_batch" else None

    def _negatives(self, states: States) -> tuple[Tensor, Tensor]:
        """Numbers of a text for each video and of a video for each text, int64 (B,), in the batch that they are from:
        the contrastive batch, or the global batch; -1 for elements of which all others have the same video
        or text."""
        larger = self._larger_batch(states)
        if larger is not None:
            batch, place = larger.whole, larger.place
        else:
            batch, place = ContrastiveBatch([states.pair_features], [states.inputs], states.seed), 0
        video_GE, text_GE, temperature = batch.features
        if len(video_GE) < 2:
            raise ValueError(
                "objectives.matching needs a global batch of two samples or more; raise data.train.batch_size"
            )
        own_B = batch.numbers(place)
        keys = [] if self.compat == "released" else [k for k in (batch.video_keys, batch.text_keys) if k is not None]
        own, all_ = own_B.cpu().numpy()[:, None], np.arange(len(video_GE))
        chosen = []
        for side, (query_GE, key_GE) in enumerate(((video_GE, text_GE), (text_GE, video_GE))):
            logits_BG = query_GE[own_B] @ key_GE.T / temperature
            for keys_G in keys:
                logits_BG.masked_fill_(keys_G[own_B][:, None] == keys_G[None, :], float("-inf"))
            logits_BG.scatter_(1, own_B[:, None], float("-inf"))
            if self.config.negatives == "sampled":
                address = hash64(batch.seed, name_hash("matching"), side, own, all_)
                logits_BG = logits_BG + _gumbel(address).to(logits_BG.device)
            best, number = logits_BG.max(1)
            chosen.append(number.masked_fill(best == float("-inf"), -1))
        return chosen[0], chosen[1]


def _gumbel(words: UInt64) -> Tensor:
    """Standard Gumbel numbers, float64, of random words. The place of the largest of logits + Gumbel numbers has the
    probabilities of the logits' softmax (Gumbel-max), and one of logit -inf is never it."""
    uniform = ((words >> np.uint64(12)) + 0.5) * 2.0**-52  # within (0, 1), both ends excluded
    return torch.from_numpy(-np.log(-np.log(uniform)))
