"""The tensors of a loader's batch on a device, as models and objectives take them."""

from __future__ import annotations

import torch
from torch import Tensor

from shards import Batch


def to_tensors(batch: Batch, device: torch.device) -> dict[str, Tensor]:
    """Frames and arrays of a batch on a device; what is there already is not copied."""
    tensors = {name: torch.as_tensor(array) for name, array in {"frames": batch.frames, **batch.arrays}.items()}
    moved = {name: tensor.to(device, non_blocking=True) for name, tensor in tensors.items()}
    if moved["frames"].is_cuda:
        # Frames of a loader on the GPU were made on another stream: their memory must outlive what this one does.
        moved["frames"].record_stream(torch.cuda.current_stream(device))
    return moved
