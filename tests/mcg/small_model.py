"""Small models and batches for the tests of mcg: real parts, a few thousand weights, everything from a seed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mcg.model.mcg import MCG
from mcg.model.mcg_config import MCGConfig
from mcg.model.parts.configs import TextConfig, TimeSformerConfig
from mcg.objectives.config import ObjectivesConfig
from mcg.text import open_texts
from mcg.text.texts import NO_LABEL

_OTHERS = ("compat", "entity_prompting", "prefix_lm", "tube_alignment")
OBJECTIVES = tuple(name for name in ObjectivesConfig.model_fields if name not in _OTHERS)
"""Names of the objectives that need no files, and nothing that MCG does not have."""
TEXTS = open_texts(MCGConfig())
"""Texts of MCG with the installed vocabulary."""
VOCABULARY = 50
"""Entries of the small vocabulary; the ids below are in it."""
CLS, SEP, DEC = 1, 2, 3


def vision_config(**fields: Any) -> TimeSformerConfig:
    """2 frames of 32 pixels, 4 patches each, 16 channels, 2 blocks; nothing starts at zero."""
    sizes = {"image_size": 32, "num_frames": 2, "width": 16, "depth": 2, "num_heads": 2, "drop_path": 0.0}
    spread = {"init_std": 0.3, "position_std": 1.0, "temporal_identity": False}
    return TimeSformerConfig.model_validate(sizes | spread | fields)


def text_config(**fields: Any) -> TextConfig:
    """2 layers and 1 decoder layer of 16 channels."""
    sizes = {"width": 16, "num_layers": 2, "num_heads": 2, "num_decoder_layers": 1, "max_positions": 32}
    return TextConfig.model_validate(sizes | {"dropout": 0.0, "init_std": 0.3} | fields)


def model_config(**fields: Any) -> MCGConfig:
    parts = {"vision": vision_config(), "text": text_config(), "contrastive_width": 8}
    return MCGConfig.model_validate(parts | fields)


def make_model(vocab_size: int = VOCABULARY, seed: int = 0, **fields: Any) -> MCG:
    """A model whose biases are drawn too, so that a forgotten one shows."""
    torch.manual_seed(seed)
    model = MCG(model_config(**fields), vocab_size)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.2)
    return model


def make_inputs(num_samples: int = 4, seed: int = 0, vocab_size: int = VOCABULARY) -> dict[str, Tensor]:
    """What Pretrain gives, and two choices each, as tensors: texts of several lengths, padded to 8."""
    g = torch.Generator().manual_seed(seed)
    lengths = torch.randint(3, 9, (num_samples,), generator=g)
    mask = (torch.arange(8)[None] < lengths[:, None]).long()
    ids = torch.randint(5, vocab_size, (num_samples, 8), generator=g)
    ids[:, 0] = CLS
    ids[torch.arange(num_samples), lengths - 1] = SEP
    ids = ids * mask
    masked = ids.clone()
    masked[:, 1] = 4
    labels = torch.full_like(ids, NO_LABEL)
    labels[:, 1] = ids[:, 1]
    answers = ids.clone()
    answers[:, 0] = DEC
    continues = torch.rand((num_samples, 8), generator=g) < 0.3
    continues[:, 0], continues[torch.arange(num_samples), lengths - 1] = False, False
    return {
        "frames": torch.randint(0, 256, (num_samples, 2, 32, 32, 3), generator=g, dtype=torch.uint8),
        "text_ids": ids,
        "text_mask": mask,
        "text_words": ((~continues).long().cumsum(1) - 1) * mask,
        "masked_ids": masked,
        "masked_mask": mask,
        "masked_labels": labels,
        "prompt_ids": torch.tensor([[4, SEP]]).repeat(num_samples, 1),
        "prompt_mask": torch.ones(num_samples, 2, dtype=torch.long),
        "answer_ids": answers,
        "answer_mask": mask,
        "choice_ids": torch.stack([ids, ids.roll(1, 0)], 1),
        "choice_mask": torch.stack([mask, mask.roll(1, 0)], 1),
        "choice_right": torch.arange(num_samples)[:, None] % 2,
    }
