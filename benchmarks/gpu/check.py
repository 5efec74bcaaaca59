"""A decoder under check, and the errors of a check."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from gpu.media import clips

from shards.decode.cpu import decode as cpu
from tests.shards.decode.twins import difference

Found = dict[str, Any]


class Wrong(AssertionError):
    """A failed check, with what is wrong."""


class Check:
    """The decoder under check, and how many media it decoded in which way."""

    def __init__(self, gpu: bool) -> None:
        from shards.decode.dali.dali import Dali

        self.gpu = gpu
        self.ways: Counter[str] = Counter()
        self.decode = Dali(0 if gpu else None, lambda way: self.ways.update([way]))

    def is_there(self, frames: Any) -> bool:
        """True if frames are on the device of this decoder."""
        return where(frames) == ("cuda:0" if self.gpu else "numpy")

    def alive(self) -> None:
        """Raise Wrong unless a good clip is still decoded by DALI."""
        clip = clips("original", self.gpu)[0]
        before = self.ways["dali"]
        apart = difference(self.decode(clip.media, "video", clip.plan), cpu(clip.data, "video", clip.plan))
        if apart.mean > 4 or self.ways["dali"] == before:
            raise Wrong(f"a good clip is not decoded any more: {apart}")


def where(frames: Any) -> str:
    """The device of frames; "numpy" for an array."""
    return "numpy" if isinstance(frames, np.ndarray) else str(frames.device)
