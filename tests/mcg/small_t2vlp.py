"""A small T2VLP, real in every part, and texts as it writes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from mcg.model.t2vlp import T2vlp
from mcg.model.t2vlp_config import T2vlpConfig
from mcg.text.byte_pair_texts import BytePairTexts

CAPTIONS = ("a man plays the guitar", "two dogs", "a woman stirs the soup in the kitchen", "children run")
TEXTS = BytePairTexts()


def t2vlp_config(**fields: Any) -> T2vlpConfig:
    """Clips of up to 4 frames of 32 pixels, four patches each; 16 channels; the last of three blocks sees all frames;
    nothing is dropped."""
    blocks = {"width": 16, "num_heads": 2}
    tree = {
        "name": "t2vlp",
        "max_frames": 4,
        "vision": {
            **blocks,
            "num_layers": 3,
            "image_size": 32,
            "patch_size": 16,
            "contrastive_width": 16,
            "joint_from": 2,
        },
        "text": {**blocks, "num_layers": 2, "max_positions": 32, "contrastive_width": 16},
        "tubes": {"num_centres": 3, "num_layers": 1},
        "fusion": {**blocks, "num_layers": 2, "max_positions": 40, "dropout": 0.0},
    }
    return T2vlpConfig.model_validate({**tree, **fields})


def make_t2vlp(seed: int = 0, **fields: Any) -> T2vlp:
    """In evaluation mode; weights are large, so that everything shows, and biases are drawn too."""
    torch.manual_seed(seed)
    model: T2vlp = t2vlp_config(**fields).build(TEXTS)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.2)
        elif "embedding" in name or name.endswith("positions"):
            torch.nn.init.normal_(parameter, std=0.5)
    return model.eval()


def frames(num_samples: int = 4, num_frames: int = 3, seed: int = 0) -> Tensor:
    """uint8 (B, T, 32, 32, 3)."""
    g = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (num_samples, num_frames, 32, 32, 3), generator=g, dtype=torch.uint8)


def make_inputs(max_tokens: int = 14) -> dict[str, Tensor]:
    """What pre-training gives of CAPTIONS, as tensors; padded labels are zeros, as the loader makes them."""
    rows = []
    for number, caption in enumerate(CAPTIONS):
        g = np.random.default_rng(number)
        masked = TEXTS.cloze(caption, max_tokens, 0.3, g)
        rows.append({**TEXTS.pair(caption, max_tokens), **masked, **TEXTS.continuation(caption, max_tokens, g)})
    arrays = {
        name: torch.nn.utils.rnn.pad_sequence([torch.from_numpy(row[name]) for row in rows], batch_first=True)
        for name in rows[0]
    }
    return {"frames": frames(), **arrays}
