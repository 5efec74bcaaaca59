"""Pairs of a video and a text of the same video that belong to different elements: neither positive nor negative.

A video with several captions may stand in a batch more than once, each time with another caption. The releases take
such a pair for a negative although it fits (docs/facts/mcg_alpro.md 2.2); here it is left out of losses over pairs. A
task says which elements show one video by the array `video_key`, int64 (B, 1), equal for equal videos. Retrieval does;
pre-training, whose sets have one caption a video, does not.

Texts that say the same are told by their tokens, for losses of matching: such a pair fits, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mcg import distributed
from shards.order import hash64, name_hash

VIDEO_KEY = "video_key"
"""Name of the array."""


def repeated_keys(inputs: Mapping[str, Any]) -> Tensor | None:
    """The keys (B,) of this rank's elements, int64; None where no video stands twice in the global batch, or the task
    does not tell. All ranks ask together."""
    if VIDEO_KEY not in inputs:
        return None
    keys_B = torch.as_tensor(inputs[VIDEO_KEY])[:, 0]  # behind it the loader may have padded
    keys_G = distributed.gather(keys_B)
    return keys_B if len(keys_G.unique()) < len(keys_G) else None


def keys_of_texts(ids_BL: Tensor, mask_BL: Tensor) -> Tensor:
    """Keys (B, 1) of texts, int64, equal for equal texts however they are padded: the sum of the ids, each times a
    random number of its place, on the device that they are on."""
    factor_L = torch.from_numpy(hash64(name_hash("text_keys"), np.arange(ids_BL.shape[1])).view(np.int64))
    return ((ids_BL + 1) * mask_BL * factor_L.to(ids_BL.device)).sum(1, keepdim=True)


def leave_out(logits: Tensor, row_keys: Tensor, column_keys: Tensor, own: Tensor) -> Tensor:
    """The logits (R, C), in place, with -inf where row and column are of one video; `own` are the numbers of the
    column that is a row's own, -1 where it is in another block."""
    same = row_keys[:, None] == column_keys[None, :]
    rows = torch.nonzero(own >= 0)[:, 0]
    same[rows, own[rows]] = False
    return logits.masked_fill_(same, float("-inf"))


def leave_out_of_tile(
    owner: int, tile: Tensor, rows: slice, columns: slice, row_keys: Tensor, column_keys: Tensor
) -> None:
    """The same in a tile (mcg/objectives/over_pairs/tiles.py) of this rank's videos and the texts of rank `owner`,
    whose keys are given whole."""
    own = torch.full((tile.shape[0],), -1, device=tile.device)
    if owner == distributed.rank() and rows == columns:
        own = torch.arange(tile.shape[0], device=tile.device)
    leave_out(tile, row_keys[rows], column_keys[columns], own)
