"""Decode clips with NVIDIA DALI: encoded bytes in, the planned frames out, on the GPU or with DALI's CPU operators.

Promises: the frames of the plan and no others, scaled, cropped and mirrored inside the pipeline, uint8; values as the
CPU decoder's up to colour conversion and interpolation (tests/shards/decode/test_dali.py states how near). What DALI
would not do right, or refuses, goes to the CPU decoder: one clip, counted by reason, moved to the same device.
One pipeline of batch size 1 for each thread and kind of medium, made at the thread's first clip: as many NVDEC sessions
as the loader has threads, and one bad clip costs no other. Every number of a plan is an argument of the run, so one
pipeline serves all plans. `run` releases the interpreter's lock. Nothing is kept between clips.
Frames are handed to torch or numpy without a copy: with DALI's dynamic executor an output is valid as long as somebody
holds it (docstring of TensorGPU.__dlpack__; the other executors overwrite it).
Gives up: partial fetch, since DALI is given whole videos; and repairs: a stream that ends early is the CPU's.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from shards.base.errors import MediaError
from shards.base.printing import logger
from shards.decode.augment import apply_ops
from shards.decode.cpu import decode as decode_on_cpu
from shards.decode.decoder import Count, Frames
from shards.decode.remux import Unsuitable, remux
from shards.media.clip import ClipPlan
from shards.media.frames import FramePictures
from shards.media.kinds import Orientation
from shards.media.mapped import MappedFrames
from shards.media.medium import Media, whole
from shards.media.pictures.picture import open_image
from shards.media.pictures.picture_bytes import mended

if TYPE_CHECKING:
    from nvidia.dali import Pipeline

_logger = logger(__name__)

_PICTURES = ("JPEG", "PNG", "BMP", "WEBP")
_BITS_OF_BMP = (24).to_bytes(2, "little")
_RGB = [ord(letter) for letter in "RGB"]
"""Names of the components of a JPEG that says so, and in no other way, that it is not YCbCr."""

_WARNED = frozenset(10**power for power in range(10))
"""Numbers of refused clips at which a warning is due."""


class Dali:
    """A decoder, see shards/decode/backends.py; may be called in any number of threads."""

    def __init__(self, device: int | None, count: Count) -> None:
        """device: number of a CUDA device, None for the CPU operators."""
        self._device, self._count = device, count
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
        if isinstance(media, MappedFrames):
            raise Unsuitable("kind", "frames in memory")
        if not plan.frames or min(plan.frames) < 0:
            raise Unsuitable("plan")
        if kind == "video":
            video = remux(whole(media), plan.frames, self._device is not None)
            inputs = {"frames": np.array(video.frames, np.int32), "colour": _matrix(*video.colour)}
            return _apply(self._run("video", video.data, plan, inputs), plan)
        if kind == "image" and set(plan.frames) == {0}:
            data = whole(media)
            check_picture(data)
            picture = _apply(self._run("image", data, plan, {})[None], plan)
            if isinstance(picture, np.ndarray):
                return np.repeat(picture, len(plan.frames), axis=0)
            return picture.repeat(len(plan.frames), 1, 1, 1)
        if kind == "frames":
            pictures = _stored_pictures(whole(media), plan.frames)
            for one in pictures.values():
                check_picture(one)
            shown = {number: self._run("image", one, plan, {}) for number, one in pictures.items()}
            return _apply(_stack([shown[number] for number in plan.frames]), plan)
        raise Unsuitable("kind", kind)

    def _run(self, kind: str, data: bytes, plan: ClipPlan, inputs: dict[str, npt.NDArray[Any]]) -> Frames:
        pipelines: dict[str, Pipeline] = self._local.__dict__.setdefault("pipelines", {})
        pipeline = pipelines.get(kind)
        if pipeline is None:
            pipeline = pipelines[kind] = make_pipeline(kind, self._device)
        (height, width), (top, left, crop_height, crop_width) = plan.resize, plan.crop
        inputs |= {
            "encoded": np.frombuffer(data, np.uint8),
            "size": np.array((crop_height, crop_width), np.float32),
            "start": np.array((top / height, left / width), np.float32),
            "stop": np.array(((top + crop_height) / height, (left + crop_width) / width), np.float32),
            "mirror": np.array(plan.flip, np.int32),
        }
        try:
            (output,) = pipeline.run(**{name: [value] for name, value in inputs.items()})
        except RuntimeError as error:
            del pipelines[kind]  # DALI calls it no longer valid
            raise Unsuitable("refused", _what_dali_says(error)) from error
        if self._device is None:
            frames: Frames = np.from_dlpack(output[0]).astype(np.uint8, copy=False)
        else:
            import torch

            frames = torch.from_dlpack(output[0])
            self._held().append(frames)
        expected = plan.shape if kind == "video" else plan.shape[1:]
        if tuple(frames.shape) != expected:
            raise Unsuitable("refused", f"DALI gave {tuple(frames.shape)} instead of {expected}")
        return frames

    @contextmanager
    def _stream(self) -> Iterator[None]:
        """What torch does in here goes to a CUDA stream of this thread, and is done at the end of the block.

        On the default stream it would wait for the training step, and the step for it. What came from DALI is held
        until then: DALI knows nothing of torch's streams, and would write into memory that is still to be read.
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
        # What DALI refuses may be its own trouble (no memory left, a broken device), which must not go on in silence.
        if unsuitable.reason == "refused" and count in _WARNED:
            _logger.warning("DALI refused %d clip(s), which the CPU decodes instead; the last: %s", count, unsuitable)
        else:
            level = logging.INFO if count == 1 else logging.DEBUG
            _logger.log(level, "decoded on the CPU instead of by DALI: %s (the first for a reason is told)", unsuitable)


def make_pipeline(kind: str, device: int | None) -> Pipeline:
    """A pipeline for clips of one kind, built. Its inputs are the numbers of a plan, all for one sample."""
    from nvidia.dali import Pipeline, fn, types

    decoder = "cpu" if device is None else "mixed"
    pipeline = Pipeline(batch_size=1, num_threads=1, device_id=device, prefetch_queue_depth=1, exec_dynamic=True)
    with pipeline:

        def argument(name: str, dtype: Any, ndim: int) -> Any:
            return fn.external_source(name=name, dtype=dtype, ndim=ndim)

        encoded = argument("encoded", types.UINT8, 1)
        # affine: threads of DALI would be tied to CPU cores, those of all pipelines to the same ones.
        if kind == "video":
            frames = argument("frames", types.INT32, 1)
            # pad_mode: a frame that is not there is an error, not a black one.
            output = fn.decoders.video(encoded, device=decoder, frames=frames, pad_mode="none", affine=False)
        else:
            output = fn.decoders.image(
                encoded, device=decoder, output_type=types.RGB, jpeg_fancy_upsampling=True, affine=False
            )
        # Only the crop is computed: the part of the frame that becomes the crop, scaled to its size.
        output = fn.resize(
            output,
            size=argument("size", types.FLOAT, 1),
            roi_start=argument("start", types.FLOAT, 1),
            roi_end=argument("stop", types.FLOAT, 1),
            roi_relative=True,
            interp_type=types.INTERP_CUBIC,  # as both CPU decoders
            antialias=True,
        )
        if kind == "video":
            output = fn.coord_transform(output, M=argument("colour", types.FLOAT, 2), dtype=types.UINT8)
        pipeline.set_outputs(fn.flip(output, horizontal=argument("mirror", types.INT32, 0)))
    pipeline.build()
    return pipeline


def _stack(pictures: Sequence[Frames]) -> Frames:
    """On the stream in use."""
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
    try:
        stored = FramePictures(data)
        return {number: stored.picture(number) for number in numbers}
    except MediaError as error:
        raise Unsuitable("damaged", str(error)) from error


def check_picture(data: bytes) -> None:
    """Raise Unsuitable for a picture that DALI shows otherwise than Pillow does, or that is not whole."""
    try:
        if mended(data) is not data:
            raise Unsuitable("damaged", "its end or its texts have to be mended first")
        with open_image(data) as (image, turn):
            plain = image.mode in ("RGB", "L") and not image.has_transparency_data
            if image.format not in _PICTURES or getattr(image, "n_frames", 1) > 1:
                raise Unsuitable("codec", str(image.format))
            if image.format == "BMP" and data[28:30] != _BITS_OF_BMP:
                raise Unsuitable("pixel format", "BMP of few or odd bits")
            is_rgb = [layer[0] for layer in getattr(image, "layer", ())] == _RGB
            if not plain or is_rgb or image.info.get("adobe_transform") == 0:
                raise Unsuitable("pixel format", image.mode)
            if turn != Orientation():
                raise Unsuitable("rotation")
    except MediaError as error:
        raise Unsuitable("damaged", str(error)) from error


def _matrix(red: float, blue: float) -> npt.NDArray[np.float32]:
    """What makes RGB of RGB that was computed as if YCbCr were BT.601; red, blue: their true shares in luma."""
    wrong = _to_ycbcr(0.299, 0.114)
    return np.asarray(np.linalg.inv(_to_ycbcr(red, blue)) @ wrong, np.float32)


def _to_ycbcr(red: float, blue: float) -> npt.NDArray[np.float64]:
    luma = np.array((red, 1 - red - blue, blue))
    return np.stack((luma, ((0, 0, 1) - luma) / (2 - 2 * blue), ((1, 0, 0) - luma) / (2 - 2 * red)))


def _what_dali_says(error: RuntimeError) -> str:
    """The reason out of a message that is mostly about the pipeline."""
    text = str(error)
    return text.partition("encountered:")[2].partition("C++ context")[0].strip() or text.strip()
