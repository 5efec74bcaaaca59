"""Reading the weights of a checkpoint, and loading them into the model that they belong to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from mcg import distributed
from mcg.engine.checkpoint import Checkpoint, CheckpointError, find_checkpoint, what_is_wrong
from mcg.engine.store.integrity import problem_with
from mcg.strange_files import strange_kind
from shards.base import logger

if TYPE_CHECKING:
    from mcg.text.texts import Texts


_logger = logger(__name__)


def read_weights(folder: Path, texts: Texts | None = None) -> dict[str, torch.Tensor]:
    """model.safetensors of a checkpoint. Raises CheckpointError where it is not what was saved, or was trained with
    other word pieces than those of texts: its embeddings would mean other words."""
    checkpoint = find_checkpoint(folder)
    vocabulary = checkpoint.vocabulary
    if texts is not None and vocabulary not in (None, texts.fingerprint):
        raise CheckpointError(
            f"{folder}: trained with another vocabulary (fingerprint {vocabulary}) than {texts.file} "
            f"({texts.fingerprint}); set model.vocabulary to the vocab.txt that it was trained with"
        )
    file = folder / "model.safetensors"
    _check(checkpoint, file)
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


def _check(checkpoint: Checkpoint, file: Path) -> None:
    """Raise CheckpointError if a file is not what was saved; of older checkpoints nobody knows, which is said."""
    if checkpoint.files is None:
        if distributed.rank() == 0:
            _logger.warning("%s: of an older version, without checksums: its files are not checked", checkpoint.folder)
        return
    if file.name not in checkpoint.files:
        raise CheckpointError(f"{file}: was not saved with this checkpoint; copy the checkpoint again")
    problem = problem_with(checkpoint.folder, checkpoint.files, [file.name])
    if problem is not None:
        kind = strange_kind(file)
        raise CheckpointError(
            f"{problem}; copy the checkpoint again, or take another one"
            if kind is None
            else f"{file}: not readable: it is {kind}"
        )
