"""Collate: decoded slots of one rank -> one batch of numpy arrays, or with its frames on the GPU that decoded them.

Promises: frames, or rows of features in their place, are stacked; arrays of any rank are padded with zeros at the end
of every axis to one shape (masks are arrays like any other, so padding is masked by the task's own zeros); whatever
does not fit together is refused with the origins of both slots. A slot without frames becomes a copy of a good one with
`valid` False, so that a model always sees well-formed numbers.
Frames on a GPU are stacked there, on a stream of their own that is done before the batch is handed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from shards.decode.decoder import Frames
from shards.loader.stages.batch import Batch, Slot

if TYPE_CHECKING:
    import torch

_DTYPES = {4: ("uint8",), 2: ("float16", "float32")}
"""Number formats by the number of axes: frames have four, features two."""


def collate(
    slots: Sequence[Slot],
    pad_to_multiple: int,
    dataset: str | None = None,
    filler: Slot | None = None,
    placed: npt.NDArray[np.uint8] | None = None,
) -> Batch:
    """Stack slots. Slots without frames take those of `filler`, or of the first good slot.

    pad_to_multiple: the last axis of an array (the tokens of a text) is rounded up to a multiple of this.
    placed: (B, T, H, W, 3), an array in which the frames of those slots that have some lie already; it is the batch's.

    Raises ValueError when shapes of frames, names, dtypes or ranks of arrays differ, or when there is neither a good
    slot nor a filler.
    """
    good = next((slot for slot in slots if slot.frames is not None), filler)
    if good is None:
        raise ValueError(f"no slot of this batch could be used and there is no filler; the first is {slots[0].origin}")
    shown = [slot if slot.frames is not None else good for slot in slots]
    form, is_allowed = _form(good), _is_allowed(good)
    for slot in shown:
        if _form(slot) != form or not is_allowed:
            raise _unlike(slot, good)
    if placed is not None:
        assert isinstance(good.frames, np.ndarray)
        for number, slot in enumerate(slots):
            if slot.frames is None:
                placed[number] = good.frames
    return Batch(
        frames=stack([s.frames for s in shown if s.frames is not None]) if placed is None else placed,
        arrays={name: _pad([slot.arrays[name] for slot in shown], pad_to_multiple) for name in good.arrays},
        meta=[slot.meta for slot in slots],
        origins=[slot.origin for slot in slots],
        valid=np.array([slot.frames is not None for slot in slots]),
        dataset=dataset,
        slot_failures=[slot.failures for slot in slots],
    )


def stack(clips: Sequence[Frames]) -> Frames:
    """Frames one upon the other, where they are; on a GPU by a stream of its own, and done when this returns."""
    if isinstance(clips[0], np.ndarray):
        return np.stack([clip for clip in clips if isinstance(clip, np.ndarray)])
    import torch

    tensors = [clip for clip in clips if isinstance(clip, torch.Tensor)]
    if not tensors[0].is_cuda:
        return torch.stack(tensors)
    stream = _stream(tensors[0].device)
    with torch.cuda.stream(stream):
        stacked = torch.stack(tensors)
    stream.synchronize()  # the clips, whose memory is DALI's, may go now
    return stacked


@cache
def _stream(device: torch.device) -> torch.cuda.Stream:
    """One for all batches: torch keeps the memory of each stream apart."""
    import torch

    return torch.cuda.Stream(device)


def _pad(arrays: Sequence[npt.NDArray[Any]], multiple: int) -> npt.NDArray[Any]:
    """Arrays of one rank as one, each in the corner of its place. The last axis has at least one multiple."""
    shapes = {array.shape for array in arrays}
    shape = [max(sizes) for sizes in zip(*shapes, strict=True)]
    if shape:
        shape[-1] = -(-max(1, shape[-1]) // multiple) * multiple
    if shapes == {tuple(shape)}:
        return np.stack(arrays)
    padded = np.zeros((len(arrays), *shape), dtype=arrays[0].dtype)
    for number, array in enumerate(arrays):
        corner: tuple[int | slice, ...] = (number, *(slice(size) for size in array.shape))
        padded[corner] = array
    return padded


def _form(slot: Slot) -> tuple[Any, ...]:
    """What has to be the same in all slots of a batch."""
    frames = slot.frames
    assert frames is not None
    place = None if isinstance(frames, np.ndarray) else frames.device
    return frames.shape, frames.dtype, place, {name: (array.dtype, array.ndim) for name, array in slot.arrays.items()}


def _is_allowed(slot: Slot) -> bool:
    assert slot.frames is not None
    return str(slot.frames.dtype).removeprefix("torch.") in _DTYPES.get(len(slot.frames.shape), ())


def _unlike(slot: Slot, good: Slot) -> ValueError:
    """The error for a slot of another form than a good one, or for a form that no batch may have."""
    if _form(slot)[:3] != _form(good)[:3] or not _is_allowed(slot):
        return ValueError(
            "clips of one batch must have one shape, one place, and dtype uint8 (features: float16 or float32): "
            f"{slot.origin} has {_shown_frames(slot)}, {good.origin} has {_shown_frames(good)}"
        )
    kinds = [{name: f"{array.dtype.str} {array.ndim}-D" for name, array in s.arrays.items()} for s in (slot, good)]
    return ValueError(
        f"elements of one batch must have the same arrays: {slot.origin} has {kinds[0]}, {good.origin} has {kinds[1]}"
    )


def _shown_frames(slot: Slot) -> str:
    """Shape, dtype and, of a tensor, where it is."""
    frames = slot.frames
    assert frames is not None
    place = "" if isinstance(frames, np.ndarray) else f" tensor on {frames.device}"
    return f"{tuple(frames.shape)} {str(frames.dtype).removeprefix('torch.')}{place}"
