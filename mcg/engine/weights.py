"""Reading the weights of a checkpoint, and loading them into the model that they belong to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from mcg.engine.checkpoint import CheckpointError, find_checkpoint, what_is_wrong

if TYPE_CHECKING:
    from mcg.text.texts import Texts


def read_weights(folder: Path, texts: Texts | None = None) -> dict[str, torch.Tensor]:
    """model.safetensors of a checkpoint. Raises CheckpointError where it is not readable, or was trained with other
    word pieces than those of texts: its embeddings would mean other words."""
    vocabulary = None if texts is None else find_checkpoint(folder).vocabulary
    if texts is not None and vocabulary not in (None, texts.fingerprint):
        raise CheckpointError(
            f"{folder}: trained with another vocabulary (fingerprint {vocabulary}) than {texts.file} "
            f"({texts.fingerprint}); set model.vocabulary to the vocab.txt that it was trained with"
        )
    file = folder / "model.safetensors"
    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{file}: not readable: {what_is_wrong(file, error)}") from error


def load_weights(model: nn.Module, folder: Path, texts: Texts | None = None) -> list[str]:
    """Load model.safetensors of a checkpoint into a model; the names of parameters that the file does not have (a task
    may add parts) are returned. Raises CheckpointError as read_weights does, and when shapes or names show that it is
    another model's."""
    state, file = read_weights(folder, texts), folder / "model.safetensors"
    own = model.state_dict()
    unknown = sorted(set(state) - set(own))
    shapes = [
        f"{name} is {tuple(state[name].shape)} there and {tuple(own[name].shape)} here"
        for name in sorted(set(state) & set(own))
        if state[name].shape != own[name].shape
    ]
    if unknown or shapes:
        first = (shapes or [f"{unknown[0]} is unknown here"])[0]
        words = [name for name in own if name.endswith("word_embeddings.weight") and name in state]
        here, there = (tuple(t[words[0]].shape) if words else () for t in (own, state))
        remedy = "model.* as in the checkpoint's config"
        if here[1:] == there[1:] and here[:1] != there[:1]:
            first, remedy = f"{first}, which is the size of the vocabulary", "model.vocabulary to the checkpoint's"
        raise CheckpointError(
            f"{file}: weights of another model: {first} ({len(shapes)} shapes and {len(unknown)} names differ); set "
            f"{remedy}"
        )
    # By storage: a tied parameter is loaded if the file has it under any of its names.
    have = {own[name].data_ptr() for name in state}
    model.load_state_dict(state, strict=False)
    return sorted(name for name, tensor in own.items() if tensor.data_ptr() not in have)
