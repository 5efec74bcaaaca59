"""DALI's pipelines: what is computed for a clip of one kind of medium.

Every number of a plan is an argument of a run, so one pipeline serves all plans. `run` releases the interpreter's lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from shards.decode.decoder import Unsuitable
from shards.decode.packing.coded_size import Window
from shards.media.clip_plan import ClipPlan

if TYPE_CHECKING:
    from nvidia.dali import Pipeline


Inputs = dict[str, npt.NDArray[Any]]
"""The arguments of one clip, by the names of the pipeline's inputs."""


def video_inputs(
    data: bytes, frames: tuple[int, ...], colour: tuple[float, float], window: Window, plan: ClipPlan
) -> Inputs:
    """The frames under these numbers in a remuxed video; colour: shares of red and blue in luma; window: what is shown
    of the frames, which the plan is about."""
    return picture_inputs(data, plan) | {
        "frames": np.array(frames, np.int32),
        "colour": _colour_matrix(*colour),
        "shown_from": np.array((window.top, window.left), np.int32),
        "shown": np.array((window.height, window.width), np.int32),
    }


def picture_inputs(data: bytes, plan: ClipPlan) -> Inputs:
    """A picture, with the plan for it."""
    (height, width), (top, left, crop_height, crop_width) = plan.resize, plan.crop
    return {
        "encoded": np.frombuffer(data, np.uint8),
        "size": np.array((crop_height, crop_width), np.float32),
        "start": np.array((top / height, left / width), np.float32),
        "stop": np.array(((top + crop_height) / height, (left + crop_width) / width), np.float32),
        "mirror": np.array(plan.flip, np.int32),
    }


class ClipPipeline:
    """A built pipeline for videos or for pictures, on a CUDA device or with the CPU operators. For one thread at a
    time."""

    def __init__(self, kind: str, device: int | None, most: int = 1, num_threads: int = 1) -> None:
        """kind: "video" or "image". device: number of a CUDA device, None for the CPU operators. most: clips of a run;
        num_threads: threads that decode them."""
        self._pipeline = _build(kind, device, most, num_threads)
        self._good: Inputs | None = None
        """The inputs of a clip of the last run that went well."""

    def run(self, clips: Sequence[Inputs]) -> list[Any]:
        """Decode clips; returns DALI's tensor of each. Raises Unsuitable; then `still_works` says whether the pipeline
        can be used."""
        try:
            (output,) = self._run(clips)
        except RuntimeError as error:
            raise Unsuitable("refused", _reason_of(error)) from error
        self._good = clips[0]
        return [output[number] for number in range(len(clips))]

    def still_works(self) -> bool:
        """True if what went well last does so again. After an error DALI calls any pipeline invalid, and most are not;
        to make one takes as long as many clips."""
        if self._good is None:
            return False
        try:
            self._run([self._good])
        except RuntimeError:
            return False
        return True

    def _run(self, clips: Sequence[Inputs]) -> Any:
        return self._pipeline.run(**{name: [clip[name] for clip in clips] for name in clips[0]})


def _build(kind: str, device: int | None, most: int, num_threads: int) -> Pipeline:
    """A pipeline whose inputs are those of ClipPipeline.run."""
    from nvidia.dali import Pipeline, fn, types

    decoder = "cpu" if device is None else "mixed"
    pipeline = Pipeline(most, num_threads, device_id=device, prefetch_queue_depth=1, exec_dynamic=True)
    with pipeline:

        def argument(name: str, dtype: Any, ndim: int) -> Any:
            return fn.external_source(name=name, dtype=dtype, ndim=ndim)

        encoded = argument("encoded", types.UINT8, 1)
        # affine: threads of DALI would be tied to CPU cores, those of all pipelines to the same ones.
        if kind == "video":
            frames = argument("frames", types.INT32, 1)
            # pad_mode: a frame that is not there is an error, not a black one.
            output = fn.decoders.video(encoded, device=decoder, frames=frames, pad_mode="none", affine=False)
            # Before anything is scaled, which would mix in what lies beside.
            where, size = argument("shown_from", types.INT32, 1), argument("shown", types.INT32, 1)
            output = fn.slice(output, where, size, axis_names="HW", normalized_anchor=False, normalized_shape=False)
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


@lru_cache(16)
def _colour_matrix(red: float, blue: float) -> npt.NDArray[np.float32]:
    """The matrix that corrects RGB computed as if YCbCr were BT.601; red, blue: their true shares in luma."""
    wrong = _to_ycbcr(0.299, 0.114)
    return np.asarray(np.linalg.inv(_to_ycbcr(red, blue)) @ wrong, np.float32)


def _to_ycbcr(red: float, blue: float) -> npt.NDArray[np.float64]:
    luma = np.array((red, 1 - red - blue, blue))
    return np.stack((luma, ((0, 0, 1) - luma) / (2 - 2 * blue), ((1, 0, 0) - luma) / (2 - 2 * red)))


def _reason_of(error: RuntimeError) -> str:
    """The reason in a message of DALI, which is mostly about the pipeline."""
    text = str(error)
    return text.partition("encountered:")[2].partition("C++ context")[0].strip() or text.strip()
