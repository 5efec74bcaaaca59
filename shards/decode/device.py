"""The GPU on which frames are decoded, or none: its streams, its failures, and the way of other frames there."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from shards.base.errors import DeviceFailed, PrintableError
from shards.decode.decoder import Frames

if TYPE_CHECKING:
    import torch


class Device:
    """A CUDA device, or none where frames are arrays; for any number of threads."""

    def __init__(self, number: int | None) -> None:
        self.number = number
        self._local = threading.local()

    @contextmanager
    def work(self) -> Iterator[None]:
        """Torch works on a CUDA stream of this thread inside the block, and is done at its end.

        On the default stream it would wait for the training step, and the step for it. What torch, CUDA and decoders
        raise when there is no memory or no device becomes DeviceFailed.
        """
        if self.number is None:
            yield
            return
        import torch

        try:
            stream = getattr(self._local, "stream", None)
            if stream is None:
                stream = self._local.stream = torch.cuda.Stream(self.number)
            with torch.cuda.stream(stream):
                try:
                    yield
                finally:
                    stream.synchronize()
                    self._held().clear()
        except PrintableError:
            raise
        except (RuntimeError, AssertionError) as error:  # torch without CUDA asserts
            said = str(error).strip().partition("\n")[0]
            raise DeviceFailed(
                f"GPU {self.number} fails while decoding: {said}; look at nvidia-smi; without memory lower "
                "batch_size, prefetch_batches or gpu_clips, without the device go on with decode: cpu"
            ) from error

    def hold(self, frames: torch.Tensor) -> None:
        """Keep frames whose memory another library owns until torch has read them, at the end of `work`: it knows
        nothing of torch's streams, and would write there again."""
        self._held().append(frames)

    def bring(self, frames: Frames) -> Frames:
        """The frames on this device."""
        if self.number is None:
            return frames
        import torch

        return torch.as_tensor(frames).to(f"cuda:{self.number}")

    def _held(self) -> list[torch.Tensor]:
        held: list[torch.Tensor] = self._local.__dict__.setdefault("held", [])
        return held
