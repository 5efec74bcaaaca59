"""A decoder that hangs at chosen pictures of small_dataset.py, and one that refuses them at once."""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from shards.base.errors import MediaError
from shards.decode.backends import BACKENDS
from shards.decode.cpu import decode
from shards.decode.decoder import Backend, Decoder
from shards.media.clip_plan import ClipPlan
from shards.media.medium import Media

LIMIT = 0.4
"""Seconds that a clip has in these tests."""


class Hanging:
    """Hangs at pictures of these grays until it is released; what it gives then is wrong."""

    def __init__(self, grays: Collection[int]) -> None:
        self.grays = set(grays)
        self.release = threading.Event()
        self.entered: list[int] = []
        """Grays that it has hung at, by their beginning."""
        self.threads: list[threading.Thread] = []
        """The threads that it has held."""

    def __call__(self, media: Media, kind: str, plan: ClipPlan) -> NDArray[np.uint8]:
        frames = decode(media, kind, plan)
        if int(frames.flat[0]) in self.grays:
            self.threads.append(threading.current_thread())
            self.entered.append(int(frames.flat[0]))
            self.release.wait()
            frames = np.full_like(frames, 255)
        return frames


def refusing(grays: Collection[int]) -> Decoder:
    """A decoder that finds these pictures bad."""

    def refuse(media: Media, kind: str, plan: ClipPlan) -> NDArray[np.uint8]:
        frames = decode(media, kind, plan)
        if int(frames.flat[0]) in grays:
            raise MediaError("refused")
        return frames

    return refuse


def use(patch: pytest.MonkeyPatch, decoder: Any) -> None:
    """Have loaders made from now on decode with this on the CPU."""
    patch.setitem(BACKENDS, "cpu", lambda *_: Backend("cpu", decoder))
