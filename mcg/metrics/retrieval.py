"""Text-video retrieval: recall at K in both directions from feature matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt


def recall(
    video_NE: npt.NDArray[np.float32],
    text_NE: npt.NDArray[np.float32],
    texts: Sequence[str],
    ranks: Sequence[int],
    num_failed: int = 0,
) -> dict[str, Any]:
    """{"text_to_video": {"R1": share, ...}, "video_to_text": ...}; row i of one belongs to row i of the other.

    A hit on a row with the same text counts, since nothing tells such rows apart. Ties count against the model, and so
    do `num_failed` queries that have no row. Raises ValueError for matrices that do not fit together or have no row.
    """
    if video_NE.shape != text_NE.shape or video_NE.ndim != 2 or not len(texts) == len(text_NE) > 0:
        raise ValueError(
            f"recall needs one row per pair, found matrices {video_NE.shape} and {text_NE.shape} for {len(texts)} texts"
        )
    scores = text_NE @ video_NE.T
    _, names = np.unique(np.asarray(texts), return_inverse=True)
    same = names[:, None] == names[None, :]
    result: dict[str, Any] = {}
    for direction, matrix in (("text_to_video", scores), ("video_to_text", scores.T)):
        best = np.where(same, matrix, -np.inf).max(1, keepdims=True)
        rank = ((matrix >= best) & ~same).sum(1)
        result[direction] = {f"R{k}": float((rank < k).sum() / (len(rank) + num_failed)) for k in ranks}
    return result
