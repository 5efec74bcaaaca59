"""Matching of each video with texts of the batch: its own and drawn others, or all (docs/facts/lavender.md
2).

LAVENDER pre-trains so with four texts per video, and trains retrieval with all. The loss is the cross-entropy of what
the model says of a pair, over all that it may say (Model.match_words): over the vocabulary where it answers with words.
With `loss: softmax` it is that of the video's own text among its texts, by their scores, as LAVENDER trains its
heads by task.
The others are drawn from the global batch by (seed, step, numbers of both samples), whoever is alike, so that a
global batch has one loss at any number of ranks. A text of the same video, told by its id (`video_key`), fits, and so
does one that says the same; as released the latter does not.

All pairs of a rank are one fused pass.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mcg import distributed
from mcg.objectives.config import BatchMatchingConfig
from mcg.objectives.objective import Objective
from mcg.objectives.over_pairs.gathered_states import gathered_texts
from mcg.objectives.over_pairs.same_video import VIDEO_KEY, keys_of_texts
from mcg.objectives.states import States
from shards.order import hash64, name_hash


class BatchMatching(Objective):
    """Scalar, mean over the pairs or videos of this rank. Raises ValueError for a global batch of one sample."""

    config: BatchMatchingConfig

    def forward(self, states: States) -> Tensor:
        model, text = states.model, states.text if self.config.text == "plain" else states.masked_text
        B = len(text.mask_BL)
        text_BO = self._texts_of_videos(states.seed, B).to(text.mask_BL.device)
        own_B = torch.arange(B, device=text_BO.device)
        video_N, text_N = own_B.repeat_interleave(text_BO.shape[1]), text_BO.flatten()
        fused = model.fuse(gathered_texts(text).rows(text_N), states.video.rows(video_N))
        logits_NK, no, yes = model.match_words(fused)
        fits_N = text_N == video_N + distributed.rank() * B
        if VIDEO_KEY in states.inputs:
            key_B = torch.as_tensor(states.inputs[VIDEO_KEY])[:, 0]
            fits_N |= distributed.gather(key_B)[text_N] == key_B[video_N]
        if self.compat != "released":
            name = "text" if self.config.text == "plain" else "masked"
            said_B = keys_of_texts(states[f"{name}_ids"], states[f"{name}_mask"])[:, 0]
            fits_N |= distributed.gather(said_B)[text_N] == said_B[video_N]
        if self.config.loss == "pair":
            return functional.cross_entropy(logits_NK.float(), torch.where(fits_N, yes, no))
        score_BO = (logits_NK[:, yes] - logits_NK[:, no]).float().unflatten(0, (B, -1)) / self.config.temperature
        others_BO = fits_N.unflatten(0, (B, -1)).clone()
        others_BO[:, 0] = False  # its own comes first; others that fit are neither right nor wrong
        return functional.cross_entropy(score_BO.masked_fill(others_BO, float("-inf")), torch.zeros_like(own_B))

    def _texts_of_videos(self, seed: int, B: int) -> Tensor:
        """Numbers (B, O) in the global batch of the texts of each video of this rank, int64, its own first."""
        G, first = B * distributed.world_size(), distributed.rank() * B
        if G < 2:
            raise ValueError(
                "objectives.batch_matching needs a global batch of two samples or more; raise data.*.batch_size"
            )
        own = np.arange(first, first + B)[:, None]
        order = hash64(seed, name_hash("batch_matching"), own, np.arange(G))
        order[np.arange(B), own[:, 0]] = 0  # the lowest: it comes first
        chosen = np.argsort(order, axis=1, kind="stable")[:, : self.config.texts_per_video]
        return torch.from_numpy(chosen.astype(np.int64))
