"""How a weight of another size becomes one of ours: the few that may, by stated rules; every other is refused.

time embeddings           nearest in time, as the releases do (4 frames to 8 or 16: docs/facts/mcg_alpro.md section 1)
position embeddings of    bicubic over the two axes of the picture; that of [CLS] stays. (The releases take the nearest
patches                   along the flattened axis, which moves patches to other rows; none of theirs needs it.)
positions of text         the first ones; more than there are cannot be made up
token types               type 0, the only one that a single text has
vocabulary                30522 to 30524: [DEC] and [ENC] become copies of [CLS], whose place they take; 30524 to
                          30522: these two rows are dropped. Another number is another tokenizer's.
temperature               a scalar becomes a vector of one
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from mcg.convert.rules import ConvertError

WORDS, ADDED, CLS_ID = 30522, 2, 101
"""bert-base-uncased, and what MCG adds."""
_VOCABULARY = ("word_embeddings.weight", "predictions.decoder.weight", "predictions.bias", "predictions.decoder.bias")


def fit(name: str, tensor: Tensor, shape: tuple[int, ...]) -> tuple[Tensor, str]:
    """The tensor in our shape, and what was done to it ("" for nothing). Raises ConvertError."""
    found = tuple(tensor.shape)
    if found == shape:
        return tensor, ""
    if name == "temp" and found == ():
        return tensor.reshape(1), "a vector of one"
    if len(found) != len(shape):
        raise _misfit(name, found, shape)
    if name.endswith(_VOCABULARY) and found[1:] == shape[1:]:
        return _fit_vocabulary(name, tensor, shape[0])
    if name.endswith(".token_type_embeddings.weight") and found[1:] == shape[1:] and found[0] > shape[0]:
        return tensor[: shape[0]], f"type 0 of {found[0]}"
    if name.endswith(".position_embeddings.weight") and found[1:] == shape[1:]:
        if found[0] < shape[0]:
            raise ConvertError(
                f"{name}: {found[0]} positions there, model.text.max_positions is {shape[0]}; lower it to {found[0]}"
            )
        return tensor[: shape[0]], f"the first {shape[0]} of {found[0]} positions"
    if name == "vision.time_embed" and found[2] == shape[2]:
        resized = functional.interpolate(tensor.transpose(1, 2).float(), size=shape[1], mode="nearest")
        return resized.transpose(1, 2), f"{found[1]} frames to {shape[1]}, nearest"
    if name == "vision.pos_embed" and found[2] == shape[2]:
        return _fit_patches(name, tensor, shape)
    raise _misfit(name, found, shape)


def _fit_vocabulary(name: str, tensor: Tensor, rows: int) -> tuple[Tensor, str]:
    if (len(tensor), rows) == (WORDS, WORDS + ADDED):
        added = tensor[CLS_ID : CLS_ID + 1]
        return torch.cat([tensor, *[added] * ADDED]), "[DEC] and [ENC] as copies of [CLS]"
    if (len(tensor), rows) == (WORDS + ADDED, WORDS):
        return tensor[:WORDS], "without the rows of [DEC] and [ENC]"
    raise ConvertError(
        f"{name}: a vocabulary of {len(tensor)} entries there, {rows} here: the checkpoint is of another tokenizer; "
        "bert-base-uncased has 30522, or 30524 with [DEC] and [ENC]"
    )


def _fit_patches(name: str, tensor: Tensor, shape: tuple[int, ...]) -> tuple[Tensor, str]:
    there, here = math.isqrt(tensor.shape[1] - 1), math.isqrt(shape[1] - 1)
    if there * there != tensor.shape[1] - 1 or here * here != shape[1] - 1:
        raise _misfit(name, tuple(tensor.shape), shape)
    grid = tensor[:, 1:].float().transpose(1, 2).unflatten(2, (there, there))
    grid = functional.interpolate(grid, size=(here, here), mode="bicubic", align_corners=False, antialias=True)
    patches = grid.flatten(2).transpose(1, 2)
    return torch.cat([tensor[:, :1].float(), patches], 1), f"{there} x {there} patches to {here} x {here}, bicubic"


def _misfit(name: str, found: tuple[int, ...], shape: tuple[int, ...]) -> ConvertError:
    return ConvertError(f"{name}: {found} there, {shape} here; set model.* to the sizes of the checkpoint")
