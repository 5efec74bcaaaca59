"""Questions to a small LAVENDER, as tensors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mcg.answering.asked import Asked
from mcg.model.lavender import Lavender
from mcg.text.texts import Arrays
from tests.mcg.small_lavender import frames


def asked_of(model: Lavender, rows: Sequence[Arrays]) -> Asked:
    """Each question about a clip of its own."""
    return Asked(model, model.encode_video(frames(len(rows))), tensors(rows))


def tensors(rows: Sequence[Arrays]) -> dict[str, Tensor]:
    """Arrays padded as the loader pads them, with three columns more than it needs."""
    made = {}
    for name in rows[0]:
        parts = [torch.from_numpy(row[name]).movedim(-1, 0) for row in rows]
        whole = nn.utils.rnn.pad_sequence(parts, batch_first=True).movedim(1, -1)
        made[name] = nn.functional.pad(whole, (0, 3))
    return made
