"""Small CLIP towers and clips for tests: 3 blocks of 32 channels, frames of 16 pixels in 4 patches, biases drawn."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from mcg.model.parts.clip import ClipText, ClipVision
from mcg.model.parts.configs import ClipTextConfig, ClipVisionConfig

COMMON: dict[str, Any] = {"width": 32, "num_layers": 3, "num_heads": 2, "contrastive_width": 24}
VOCABULARY = 50
M = TypeVar("M", bound=nn.Module)


def vision_config(**fields: Any) -> ClipVisionConfig:
    return ClipVisionConfig.model_validate({**COMMON, "image_size": 16, "patch_size": 8, **fields})


def make_vision(**fields: Any) -> ClipVision:
    torch.manual_seed(0)
    return draw_biases(ClipVision(vision_config(**fields))).eval()


def make_text(**fields: Any) -> ClipText:
    torch.manual_seed(1)
    config = ClipTextConfig.model_validate({**COMMON, "max_positions": 9, **fields})
    return draw_biases(ClipText(config, VOCABULARY)).eval()


def draw_biases(model: M) -> M:
    """So that a forgotten one shows."""
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            nn.init.normal_(parameter, std=0.3)
    return model


def make_clips(num_samples: int = 2, num_frames: int = 4, size: int = 16) -> Tensor:
    """Normalised floats (B, T, 3, H, W)."""
    return torch.randn(num_samples, num_frames, 3, size, size, generator=torch.Generator().manual_seed(2))


def never_called(model: nn.Module, call: Any) -> list[str]:
    """Modules with weights of their own that `call` does not call: under ZeRO 3 these would be empty."""
    called = set()
    for module in model.modules():
        module.register_forward_hook(lambda module, *_: called.add(module))
    call()
    own = {name: module for name, module in model.named_modules() if list(module.parameters(recurse=False))}
    return [name for name, module in own.items() if module not in called]
