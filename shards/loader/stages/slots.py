"""Slots: the slots of one batch, filled by several threads in any order.

Frames are put where they lie in the batch as they come: a clip's own memory is free for the next clip at once, and the
kernel need not give new memory for each.
"""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from shards.loader.stages.batch import Slot

_UINT8 = np.dtype(np.uint8).char
"""Compared as a text, in a third of the time of dtypes."""


class Slots:
    """The slots of a batch filled so far. Only the threads that decode take its lock, never the consumer's."""

    def __init__(self, count: int) -> None:
        self.frames: NDArray[np.uint8] | None = None
        """(B, T, H, W, 3): the batch's frames; None until there is one, and when they are of another form."""
        self._found: list[Slot | BaseException | None] = [None] * count
        self._missing = count
        self._lock = threading.Lock()

    def place(self, number: int, slot: Slot) -> Slot:
        """Move the frames of a slot to their place in the batch; tensors, and clips of another form than the first
        one, stay where they are."""
        frames = slot.frames
        if not isinstance(frames, np.ndarray) or frames.dtype.char != _UINT8:
            return slot
        if self.frames is None:
            with self._lock:
                if self.frames is None:
                    self.frames = np.empty((len(self._found), *frames.shape), np.uint8)
        if self.frames.shape[1:] == frames.shape:
            self.frames[number] = frames
            slot.frames = self.frames[number]
        return slot

    def fill(self, number: int, found: Slot | BaseException) -> bool:
        """Keep a slot, or why there is none. True for the last one."""
        self._found[number] = found
        with self._lock:
            self._missing -= 1
            return self._missing == 0

    def all(self) -> list[Slot]:
        """All slots, once the last one was filled. Raises the exception of the first one that has one."""
        slots = []
        for found in self._found:
            if isinstance(found, BaseException):
                raise found
            assert found is not None
            slots.append(found)
        return slots

    def clear(self) -> None:
        """Let go of the slots: the batch has what was in them."""
        self._found, self.frames = [], None

    @property
    def num_bytes(self) -> int:
        """Decoded bytes that the slots hold, with the room for those that are not filled yet."""
        if self.frames is not None:
            return int(self.frames.nbytes)
        found = (slot.frames for slot in self._found if isinstance(slot, Slot))
        return sum(int(frames.nbytes) for frames in found if frames is not None)
