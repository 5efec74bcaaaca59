"""Frames of a sample that were decoded beforehand and lie one by one in a file: a medium that needs no video decoder.

Promises: a frame is read only when it is asked for; nothing is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8] | bytes
"""One frame: uint8 (H, W, 3), RGB, perhaps a view of the file; or the bytes of an encoded picture."""


@dataclass(frozen=True, slots=True)
class MappedFrames:
    """The medium of a sample whose facts say kind "stored"."""

    num_frames: int
    get: Callable[[int], Picture]
    """Frame number 0..num_frames-1; raises MediaError where it is damaged."""
    size: int
    """Bytes of all frames in the file."""
    held: int = 0
    """Bytes among them that take memory of this process."""

    def __len__(self) -> int:
        return self.size

    def __reduce__(self) -> Any:
        raise TypeError("MappedFrames are a view of an open file and cannot be sent to another process")
