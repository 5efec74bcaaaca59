"""Decode clips with NVIDIA DALI: encoded bytes in, the planned frames out, on the GPU or with DALI's CPU operators.

Promises: the frames of the plan and no others, scaled, cropped and mirrored inside the pipeline, uint8; values as the
CPU decoder's up to colour conversion and interpolation (tests/shards/decode/dali/test_dali.py states how near). Clips
DALI would decode wrongly, or refuses, go to the CPU decoder one by one, are counted by reason and moved to the same
device.
One pipeline of batch size 1 for each thread and kind of medium (pipeline.py), made at the thread's first clip: as
many NVDEC sessions as the loader has threads, and one bad clip costs no other. Of the clips the last good one is kept,
to see whether a pipeline still works after a bad one.
Frames are handed to torch or numpy without a copy: with DALI's dynamic executor an output is valid as long as somebody
holds it (docstring of TensorGPU.__dlpack__; the other executors overwrite it).
Not supported: partial fetch, because DALI needs whole videos; and repairs: the CPU decodes streams that end early.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from shards.base.errors import MediaError
from shards.base.printing import logger
from shards.decode.augment import apply_ops
from shards.decode.cpu import decode as decode_on_cpu
from shards.decode.dali.nvdec import limits_of
from shards.decode.dali.pictures import check_picture
from shards.decode.dali.pipeline import ClipPipeline
from shards.decode.dali.remux import remux
from shards.decode.decoder import Count, Frames, Unsuitable
from shards.media.clip_plan import ClipPlan
from shards.media.frames import FramePictures
from shards.media.medium import Media, whole

_logger = logger(__name__)


_WARNED = frozenset(10**power for power in range(10))
"""Numbers of refused clips at which a warning is due."""


class Dali:
    """A decoder, see shards/decode/backends.py; may be called in any number of threads."""

    def __init__(self, device: int | None, count: Count) -> None:
        """device: number of a CUDA device, None for the CPU operators."""
        self._device, self._count = device, count
        self._limits = None if device is None else partial(limits_of, device)
        self._local = threading.local()
        self._told: Counter[str] = Counter()

    def __call__(self, media: Media, kind: str, plan: ClipPlan) -> Frames:
        """Decode a clip. Raises MediaError, SourceError."""
        with self._stream():
            try:
                frames = self._decode(media, kind, plan)
            except Unsuitable as unsuitable:
                self._note(unsuitable)
                return self._to_device(decode_on_cpu(media, kind, plan))
        self._count("dali")
        return frames

    def _decode(self, media: Media, kind: str, plan: ClipPlan) -> Frames:
        decoders: dict[str, Callable[[bytes, ClipPlan], Frames]] = {
            "video": self._video,
            "image": self._image,
            "frames": self._frames,
        }
        if kind not in decoders:
            raise Unsuitable("kind", kind)
        if not plan.frames or min(plan.frames) < 0:
            raise Unsuitable("plan")
        frames = _apply(decoders[kind](whole(media), plan), plan)
        return frames if len(frames) == len(plan.frames) else _repeat(frames, len(plan.frames))

    def _video(self, data: bytes, plan: ClipPlan) -> Frames:
        video = remux(data, plan.frames, self._device is not None, self._limits)
        with self._pipeline("video") as pipeline:
            output = pipeline.run_video(video.data, video.frames, video.colour, video.window, plan)
        return self._taken(output, plan.shape)

    def _image(self, data: bytes, plan: ClipPlan) -> Frames:
        if set(plan.frames) != {0}:
            raise Unsuitable("kind", "image")
        check_picture(data)
        return self._picture(data, plan)[None]  # once; repeated after the operations

    def _frames(self, data: bytes, plan: ClipPlan) -> Frames:
        pictures = _stored_pictures(data, plan.frames)
        for one in pictures.values():
            check_picture(one)
        shown = {number: self._picture(one, plan) for number, one in pictures.items()}
        return _stack([shown[number] for number in plan.frames])

    def _picture(self, data: bytes, plan: ClipPlan) -> Frames:
        with self._pipeline("image") as pipeline:
            output = pipeline.run_picture(data, plan)
        return self._taken(output, plan.shape[1:])

    @contextmanager
    def _pipeline(self, kind: str) -> Iterator[ClipPipeline]:
        """The pipeline of this thread for a kind; one that does not work any more after a clip that it refused is not
        used again."""
        pipelines: dict[str, ClipPipeline] = self._local.__dict__.setdefault("pipelines", {})
        if kind not in pipelines:
            pipelines[kind] = ClipPipeline(kind, self._device)
        try:
            yield pipelines[kind]
        except Unsuitable:
            if not pipelines[kind].still_works():
                del pipelines[kind]
            raise

    def _taken(self, output: Any, expected: tuple[int, ...]) -> Frames:
        """DALI's output as an array or tensor of the expected shape, without a copy."""
        if self._device is None:
            frames: Frames = np.from_dlpack(output).astype(np.uint8, copy=False)
        else:
            import torch

            frames = torch.from_dlpack(output)
            self._held().append(frames)
        if tuple(frames.shape) != expected:
            raise Unsuitable("refused", f"DALI gave {tuple(frames.shape)} instead of {expected}")
        return frames

    @contextmanager
    def _stream(self) -> Iterator[None]:
        """Torch works on a CUDA stream of this thread inside the block, and is done at its end.

        On the default stream it would wait for the training step, and the step for it. DALI's outputs are held until
        then: DALI knows nothing of torch's streams, and would write into memory that is still to be read.
        """
        if self._device is None:
            yield
            return
        import torch

        stream = getattr(self._local, "stream", None)
        if stream is None:
            stream = self._local.stream = torch.cuda.Stream(self._device)
        with torch.cuda.stream(stream):
            try:
                yield
            finally:
                stream.synchronize()
                self._held().clear()

    def _held(self) -> list[Frames]:
        held: list[Frames] = self._local.__dict__.setdefault("held", [])
        return held

    def _to_device(self, frames: Frames) -> Frames:
        if self._device is None:
            return frames
        import torch

        return torch.as_tensor(frames).to(f"cuda:{self._device}")

    def _note(self, unsuitable: Unsuitable) -> None:
        self._count(f"cpu: {unsuitable.reason}")
        self._told[unsuitable.reason] += 1
        count = self._told[unsuitable.reason]
        # A refusal may be a failure of DALI itself (no memory left, a broken device), which must not stay silent.
        if unsuitable.reason == "refused" and count in _WARNED:
            _logger.warning("DALI refused %d clip(s), which the CPU decodes instead; the last: %s", count, unsuitable)
        else:
            level = logging.INFO if count == 1 else logging.DEBUG
            _logger.log(level, "decoded on the CPU instead of by DALI: %s (the first for a reason is told)", unsuitable)


def _repeat(frames: Frames, times: int) -> Frames:
    """The one frame of a picture, repeated."""
    return np.repeat(frames, times, axis=0) if isinstance(frames, np.ndarray) else frames.repeat(times, 1, 1, 1)


def _stack(pictures: Sequence[Frames]) -> Frames:
    """The pictures as one array or tensor."""
    if isinstance(pictures[0], np.ndarray):
        return np.stack([one for one in pictures if isinstance(one, np.ndarray)])
    import torch

    return torch.stack([one for one in pictures if isinstance(one, torch.Tensor)])


def _apply(frames: Frames, plan: ClipPlan) -> Frames:
    """RandAugment, on the device that has the frames."""
    if isinstance(frames, np.ndarray):
        return apply_ops(frames, plan.ops)
    return apply_ops(frames, plan.ops)


def _stored_pictures(data: bytes, numbers: Sequence[int]) -> dict[int, bytes]:
    """The pictures of a frame sample under these numbers. Raises Unsuitable."""
    try:
        stored = FramePictures(data)
        return {number: stored.picture(number) for number in numbers}
    except MediaError as error:
        raise Unsuitable("damaged", str(error)) from error
