"""Fitting weights of another size. The target (rules.py) says which ones may differ; every other one is refused.

frames           of time embeddings: nearest in time, as the releases do (4 to 8 or 16: docs/facts/mcg_alpro.md 1)
patches          position embeddings: bicubic over the two axes of the picture; that of [CLS] stays. (The releases take
                 the nearest along the flattened axis, which moves patches to other rows; none of theirs needs it.)
text_positions   the first ones; more than there are cannot be made up
token_types      type 0, the only one that a single text has
vocabulary       30522 to 30524: [DEC] and [ENC] become copies of [CLS], whose place they take; 30524 to 30522: these
                 two rows are dropped. Another number is another tokenizer's.
kernel           of patches, one of pictures for clips: the same at every time step, divided by their number
offsets          biases of offsets within a window, of one of pictures for clips: bicubic to our height and width where
                 they differ, then the same at every offset in time. Those of clips are not resized.
first_rows       embeddings of frames and patches of LAVENDER, numbered one after the other: the first ones; more of
                 them start as copies of the last
vector           a scalar, such as the temperature, becomes a vector of one
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from mcg.convert.rules import ConvertError, Resize
from mcg.convert.window_table import side_of, window_of

WORDS, ADDED, CLS_ID = 30522, 2, 101
"""bert-base-uncased, and what MCG adds."""


def fit(name: str, tensor: Tensor, shape: tuple[int, ...], resizes: Sequence[tuple[str, Resize]]) -> tuple[Tensor, str]:
    """The tensor in our shape, and what was done to it ("" for nothing). resizes: a target's. Raises ConvertError."""
    if tuple(tensor.shape) == shape:
        return tensor, ""
    kind = next((kind for pattern, kind in resizes if re.fullmatch(pattern, name)), None)
    if kind is None:
        raise _misfit(name, tensor, shape)
    return _RESIZES[kind](name, tensor, shape)


def _to_vector(name: str, tensor: Tensor, shape: tuple[int, ...]) -> tuple[Tensor, str]:
    if tensor.dim() > 0 or shape != (1,):
        raise _misfit(name, tensor, shape)
    return tensor.reshape(1), "a vector of one"


def _token_types(name: str, tensor: Tensor, shape: tuple[int, ...]) -> tuple[Tensor, str]:
    if tensor.shape[1:] != shape[1:] or len(tensor) < shape[0]:
        raise _misfit(name, tensor, shape)
    return tensor[: shape[0]], f"type 0 of {len(tensor)}"


def _text_positions(name: str, tensor: Tensor, shape: tuple[int, ...]) -> tuple[Tensor, str]:
    if tensor.shape[1:] != shape[1:]:
        raise _misfit(name, tensor, shape)
    if len(tensor) < shape[0]:
        part = "fusion" if name.startswith("fusion.") else "text"
        raise ConvertError(
            f"{name}: {len(tensor)} positions there, model.{part}.max_positions is {shape[0]}; lower it to "
            f"{len(tensor)}"
        )
    return tensor[: shape[0]], f"the first {shape[0]} of {len(tensor)} positions"


def _frames(name: str, tensor: Tensor, shape: tuple[int, ...]) -> tuple[Tensor, str]:
    if tensor.dim() != 3 or tensor.shape[2] != shape[2]:
        raise _misfit(name, tensor, shape)
    resized = functional.interpolate(tensor.transpose(1, 2).float(), size=shape[1], mode="nearest")
    return resized.transpose(1, 2), f"{tensor.shape[1]} frames to {shape[1]}, nearest"


def _vocabulary(name: str, tensor: Tensor, shape: tuple[int, ...]) -> tuple[Tensor, str]:
    if tensor.dim() != len(shape) or tensor.shape[1:] != shape[1:]:
        raise _misfit(name, tensor, shape)
    rows = shape[0]
    if (len(tensor), rows) == (WORDS, WORDS + ADDED):
        added = tensor[CLS_ID : CLS_ID + 1]
        return torch.cat([tensor, *[added] * ADDED]), "[DEC] and [ENC] as copies of [CLS]"
    if (len(tensor), rows) == (WORDS + ADDED, WORDS):
        return tensor[:WORDS], "without the rows of [DEC] and [ENC]"
    raise ConvertError(
        f"{name}: a vocabulary of {len(tensor)} entries there, {rows} here: the checkpoint is of another tokenizer; "
        "bert-base-uncased has 30522, or 30524 with [DEC] and [ENC]"
    )


def _patches(name: str, tensor: Tensor, shape: tuple[int, ...]) -> tuple[Tensor, str]:
    """Of (1, 1 + P, D), or of a table (1 + P, D)."""
    if tensor.dim() != len(shape) or len(shape) not in (2, 3) or tensor.shape[-1] != shape[-1] or not tensor.shape[-2]:
        raise _misfit(name, tensor, shape)
    places = tensor.float() if len(shape) == 3 else tensor.float()[None]
    there, here = math.isqrt(places.shape[1] - 1), math.isqrt(shape[-2] - 1)
    if there * there != places.shape[1] - 1 or here * here != shape[-2] - 1:
        raise _misfit(name, tensor, shape)
    grid = places[:, 1:].transpose(1, 2).unflatten(2, (there, there))
    grid = functional.interpolate(grid, size=(here, here), mode="bicubic", align_corners=False, antialias=True)
    made = torch.cat([places[:, :1], grid.flatten(2).transpose(1, 2)], 1)
    note = f"{there} x {there} patches to {here} x {here}, bicubic"
    return made if len(shape) == 3 else made[0], note


def _kernel(name: str, tensor: Tensor, shape: tuple[int, ...]) -> tuple[Tensor, str]:
    if len(shape) != 5 or tuple(tensor.shape) != (*shape[:2], *shape[3:]):
        raise _misfit(name, tensor, shape)
    steps = shape[2]
    return tensor[:, :, None].repeat(1, 1, steps, 1, 1) / steps, f"{steps} equal steps in time, divided by {steps}"


def _offsets(name: str, tensor: Tensor, shape: tuple[int, ...]) -> tuple[Tensor, str]:
    side = side_of(len(tensor)) if tensor.dim() == 2 and tensor.shape[1:] == shape[1:] else None
    if side is None:
        raise _misfit(name, tensor, shape)
    if shape[0] % len(tensor) == 0:
        return tensor.repeat(shape[0] // len(tensor), 1), f"the same at {shape[0] // len(tensor)} offsets in time"
    window = window_of(shape[0])
    if window is None:
        raise ConvertError(
            f"{name}: {len(tensor)} offsets there, {shape[0]} here, which is more than one window; set "
            f"model.vision.window to (8, {side}, {side})"
        )
    there, here, times = 2 * side - 1, 2 * window[1] - 1, 2 * window[0] - 1
    grid = tensor.float().T.view(1, -1, there, there)
    grid = functional.interpolate(grid, size=(here, here), mode="bicubic", align_corners=False)
    made = grid.view(-1, here * here).T.repeat(times, 1)
    return made, f"{there} x {there} offsets to {here} x {here}, bicubic; the same at {times} offsets in time"


def _first_rows(name: str, tensor: Tensor, shape: tuple[int, ...]) -> tuple[Tensor, str]:
    if tensor.dim() != 4 or len(shape) != 4 or tensor.shape[3] != shape[3]:
        raise _misfit(name, tensor, shape)
    axis = 2 if tensor.shape[1] == 1 and shape[1] == 1 else 1
    there, here = tensor.shape[axis], shape[axis]
    rows = torch.arange(here).clamp(max=there - 1)
    made = tensor.index_select(axis, rows.to(tensor.device))
    if tuple(made.shape) != shape:
        raise _misfit(name, tensor, shape)
    more = f", {here - there} copies of the last" if here > there else ""
    return made, f"the first {min(here, there)} of {there}{more}"


def _misfit(name: str, tensor: Tensor, shape: tuple[int, ...]) -> ConvertError:
    found = tuple(tensor.shape)
    return ConvertError(f"{name}: {found} there, {shape} here; set model.* to the sizes of the checkpoint")


_RESIZES: dict[Resize, Callable[[str, Tensor, tuple[int, ...]], tuple[Tensor, str]]] = {
    "vector": _to_vector,
    "vocabulary": _vocabulary,
    "token_types": _token_types,
    "text_positions": _text_positions,
    "frames": _frames,
    "patches": _patches,
    "kernel": _kernel,
    "offsets": _offsets,
    "first_rows": _first_rows,
}
