"""Decode videos with torchcodec: with NVDEC on a GPU, or with the FFmpeg of the system on the CPU.

Promises: the frames of the plan and no others, scaled, cropped and mirrored, uint8; values as the CPU decoder's up to
colour conversion and interpolation (tests/shards/decode/torchcodec/test_torchcodec.py states how near). Pictures and
frame samples, and clips that torchcodec would decode wrongly or refuses, go to the CPU decoder one by one, are counted
by reason and moved to the same device (shards/decode/stand_in.py).
torchcodec numbers frames as containers tell, so it gets the videos that are written anew for DALI
(shards/decode/packing/pack.py and remux.py), whose time stamps are frame numbers. It is told from which frames it may
begin to decode, and the time of each frame that it gives is compared with the number that was asked for.
One torchcodec decoder for each clip, with one thread; torchcodec itself keeps the decoders of NVDEC for the next ones.
Not supported: torchcodec's own fallback, which decodes on the CPU what NVDEC does not, without a word.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

from shards.decode.augment import apply_ops
from shards.decode.cpu_slots import CpuSlots
from shards.decode.decoder import Count, DecodeSettings, Frames, Unsuitable
from shards.decode.device import Device
from shards.decode.packing.matroska import TICKS
from shards.decode.packing.nvdec import limits_of
from shards.decode.packing.pack import packed
from shards.decode.packing.remux import GPU_CODECS, Remuxed
from shards.decode.stand_in import StandIn
from shards.decode.torchcodec.scaling import scaled_array, scaled_tensor
from shards.media.clip_plan import ClipPlan
from shards.media.medium import Media

if TYPE_CHECKING:
    from torch import Tensor

_CUDA_CODECS = tuple(codec for codec in GPU_CODECS if codec != "mjpeg")
"""Codecs that torchcodec 0.17 leaves to NVDEC."""


_DEFAULT_SETTINGS = DecodeSettings()


class TorchCodec:
    """A decoder, see shards/decode/backends.py; may be called in any number of threads."""

    def __init__(self, device: int | None, count: Count, settings: DecodeSettings = _DEFAULT_SETTINGS) -> None:
        """device: number of a CUDA device, None for the CPU."""
        self.cpu = CpuSlots(settings.threads)
        self._device = Device(device)
        self._stand_in = StandIn("torchcodec", self._device, self.cpu, count)
        self._limits = None if device is None else partial(limits_of, device)

    def __call__(self, media: Media, kind: str, plan: ClipPlan) -> Frames:
        """Decode a clip. Raises MediaError, SourceError, DeviceFailed."""
        return self._stand_in(self._video, media, kind, plan)

    def _video(self, media: Media, kind: str, plan: ClipPlan) -> Frames:
        if kind != "video":
            raise Unsuitable("kind", kind)
        if not plan.frames or min(plan.frames) < 0 or plan.corners:
            raise Unsuitable("plan")
        gpu = self._device.number is not None
        codecs = _CUDA_CODECS if gpu else GPU_CODECS
        video = packed(media, plan.frames, gpu, self._limits, codecs, self.cpu.use)
        frames = _decode(video, f"cuda:{self._device.number}" if gpu else "cpu")
        if gpu:
            return apply_ops(scaled_tensor(frames, plan), plan.ops)
        return apply_ops(scaled_array(frames.numpy(), plan), plan.ops)


def _decode(video: Remuxed, device: str) -> Tensor:
    """The planned frames as they are shown: uint8 (T, H, W, 3), RGB, perhaps a view. Raises Unsuitable."""
    from torchcodec.decoders import VideoDecoder

    starts = set(video.starts)
    index = [{"pts": n * TICKS, "duration": TICKS, "key_frame": int(n in starts)} for n in range(max(video.frames) + 1)]
    try:
        decoder = VideoDecoder(
            video.data, dimension_order="NHWC", device=device, custom_frame_mappings=json.dumps({"frames": index})
        )
        if device != "cpu" and decoder.cpu_fallback:
            raise Unsuitable("refused", str(decoder.cpu_fallback))
        batch = decoder.get_frames_at(list(video.frames))
    except (RuntimeError, ValueError, IndexError) as error:
        raise Unsuitable("refused", next(iter(str(error).splitlines()), type(error).__name__)) from error
    frames, shown = batch.data, video.window
    found = tuple(round(1000 * seconds / TICKS) for seconds in batch.pts_seconds.tolist())
    if found != video.frames or tuple(frames.shape[1:3]) != shown.coded[::-1]:
        raise Unsuitable(
            "refused", f"torchcodec gave frames {found} of {tuple(frames.shape[1:3])} instead of {video.frames}"
        )
    return frames[:, shown.top : shown.top + shown.height, shown.left : shown.left + shown.width]
