"""A small LAVENDER, real in every part, and texts as it writes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from mcg.model.lavender import Lavender
from mcg.model.lavender_config import LavenderConfig
from mcg.text.masked_words import MaskedWords

CAPTIONS = ("a man plays the guitar", "two dogs", "a woman stirs the soup in the kitchen", "children run")


def lavender_config(**fields: Any) -> LavenderConfig:
    """Clips of up to 6 frames of 32 pixels, one patch each; 16 channels, two layers; nothing is dropped."""
    vision = {"width": 8, "depths": (1, 1), "num_heads": (1, 2), "window": (2, 4, 4), "drop_path": 0.0, "init_std": 0.3}
    text = {"width": 16, "num_layers": 2, "num_heads": 2, "max_positions": 64, "dropout": 0.0, "init_std": 0.3}
    return LavenderConfig.model_validate({"name": "lavender", "vision": vision, "text": text, **fields})


def make_lavender(seed: int = 0, **fields: Any) -> Lavender:
    """In evaluation mode; biases are drawn too, so that a forgotten one shows."""
    torch.manual_seed(seed)
    config = lavender_config(**fields)
    model: Lavender = config.build(MaskedWords.of(config))
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.2)
    return model.eval()


def frames(num_samples: int = 4, num_frames: int = 2, seed: int = 0) -> Tensor:
    """uint8 (B, T, 32, 32, 3)."""
    g = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (num_samples, num_frames, 32, 32, 3), generator=g, dtype=torch.uint8)


def make_inputs(texts: MaskedWords, max_tokens: int = 14) -> dict[str, Tensor]:
    """What pre-training gives of CAPTIONS, as tensors."""
    rows = [
        {**texts.pair(caption, max_tokens), **texts.cloze(caption, max_tokens, 0.3, np.random.default_rng(number))}
        for number, caption in enumerate(CAPTIONS)
    ]
    arrays = {
        name: torch.nn.utils.rnn.pad_sequence([torch.from_numpy(row[name]) for row in rows], batch_first=True)
        for name in rows[0]
    }
    return {"frames": frames(), **arrays}
