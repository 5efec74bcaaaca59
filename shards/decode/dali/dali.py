"""Decode clips with NVIDIA DALI: encoded bytes in, the planned frames out, on the GPU or with DALI's CPU operators.

Promises: the frames of the plan and no others, scaled, cropped and mirrored inside the pipeline, uint8; values as the
CPU decoder's up to colour conversion and interpolation (tests/shards/decode/dali/test_dali.py states how near). Clips
DALI would decode wrongly, or refuses, go to the CPU decoder one by one, are counted by reason and moved to the same
device (shards/decode/stand_in.py).
One pipeline for each kind of medium (pipeline.py), made at its first clip, decodes what several threads bring at the
same time (batches.py); a bad clip costs no other one. Two threads of DALI for each engine of NVDEC: one waits for the
engine while the other takes a frame out of it.
DALI keeps at most 100 decoders for a device (NVDECCache of its frames_decoder_gpu.cc), by codec, size and number of
surfaces, each with up to 20 pictures of its size in GPU memory: 3 MB at 448x256, 60 MB at 1920x1080.
Frames are handed to torch or numpy without a copy: with DALI's dynamic executor an output is valid as long as somebody
holds it (docstring of TensorGPU.__dlpack__; the other executors overwrite it).
Of a video with a GOP table only what the plan needs is fetched and packed (pack.py); others are fetched whole.
Not supported: repairs; the CPU decodes streams that end early.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from shards.base.errors import MediaError
from shards.base.printing import logger
from shards.decode.augment import apply_ops
from shards.decode.cpu_slots import CpuSlots
from shards.decode.dali.batches import Batches
from shards.decode.dali.pictures import check_picture
from shards.decode.dali.pipeline import picture_inputs, video_inputs
from shards.decode.decoder import Count, DecodeSettings, Frames, Unsuitable
from shards.decode.device import Device
from shards.decode.packing.nvdec import limits_of, num_engines
from shards.decode.packing.pack import packed
from shards.decode.stand_in import StandIn
from shards.media.clip_plan import ClipPlan
from shards.media.frames import FramePictures
from shards.media.medium import Media, whole

_logger = logger(__name__)


_DEFAULT_SETTINGS = DecodeSettings()


class Dali:
    """A decoder, see shards/decode/backends.py; may be called in any number of threads."""

    def __init__(self, device: int | None, count: Count, settings: DecodeSettings = _DEFAULT_SETTINGS) -> None:
        """device: number of a CUDA device, None for the CPU operators."""
        self.cpu = CpuSlots(settings.threads)
        self._device = Device(device)
        self._stand_in = StandIn("DALI", self._device, self.cpu, count)
        self._limits = None if device is None else partial(limits_of, device)
        num_threads = settings.threads if device is None else settings.gpu_threads or 2 * num_engines(device)
        self._batches = {kind: Batches(kind, device, settings.gpu_clips, num_threads) for kind in ("video", "image")}
        if device is not None:
            _logger.info(
                "GPU %d: runs of up to %d clips in %d threads; DALI keeps at most 100 decoders, each with up to 20 "
                "pictures of its size in GPU memory",
                *(device, settings.gpu_clips, num_threads),
            )

    def __call__(self, media: Media, kind: str, plan: ClipPlan) -> Frames:
        """Decode a clip. Raises MediaError, SourceError, DeviceFailed."""
        return self._stand_in(self._decode, media, kind, plan)

    def _decode(self, media: Media, kind: str, plan: ClipPlan) -> Frames:
        if kind not in ("video", "image", "frames"):
            raise Unsuitable("kind", kind)
        if not plan.frames or min(plan.frames) < 0 or plan.corners:
            raise Unsuitable("plan")
        if kind == "video":
            video = packed(media, plan.frames, self._device.number is not None, self._limits, using_cpu=self.cpu.use)
            (output,) = self._batches["video"].run(
                [video_inputs(video.data, video.frames, video.colour, video.window, plan)]
            )
            return _apply(self._taken(output, plan.shape), plan)
        data = whole(media)
        with self.cpu.use():
            pictures = _pictures(data, kind, plan)
        outputs = self._batches["image"].run([picture_inputs(picture, plan) for picture in pictures.values()])
        taken = (self._taken(output, plan.shape[1:]) for output in outputs)
        shown = dict(zip(pictures, taken, strict=True))
        if kind == "image":
            frames = _apply(shown[0][None], plan)
            return frames if len(plan.frames) == 1 else _repeat(frames, len(plan.frames))
        return _apply(_stack([shown[number] for number in plan.frames]), plan)

    def _taken(self, output: Any, expected: tuple[int, ...]) -> Frames:
        """DALI's output as an array or tensor of the expected shape, without a copy."""
        if self._device.number is None:
            frames: Frames = np.from_dlpack(output).astype(np.uint8, copy=False)
        else:
            import torch

            frames = torch.from_dlpack(output)
            self._device.hold(frames)
        if tuple(frames.shape) != expected:
            raise Unsuitable("refused", f"DALI gave {tuple(frames.shape)} instead of {expected}")
        return frames


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


def _pictures(data: bytes, kind: str, plan: ClipPlan) -> dict[int, bytes]:
    """The pictures of a plan by their numbers. Raises Unsuitable for what DALI would show wrong."""
    if kind == "image":
        if set(plan.frames) != {0}:
            raise Unsuitable("kind", "image")
        found = {0: data}
    else:
        try:
            stored = FramePictures(data)
            found = {number: stored.picture(number) for number in plan.frames}
        except MediaError as error:
            raise Unsuitable("damaged", str(error)) from error
    for picture in found.values():
        check_picture(picture)
    return found
