"""DALI's pipelines: what is computed for a clip of one kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from nvidia.dali import Pipeline


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


def colour_matrix(red: float, blue: float) -> npt.NDArray[np.float32]:
    """What makes RGB of RGB that was computed as if YCbCr were BT.601; red, blue: their true shares in luma."""
    wrong = _to_ycbcr(0.299, 0.114)
    return np.asarray(np.linalg.inv(_to_ycbcr(red, blue)) @ wrong, np.float32)


def _to_ycbcr(red: float, blue: float) -> npt.NDArray[np.float64]:
    luma = np.array((red, 1 - red - blue, blue))
    return np.stack((luma, ((0, 0, 1) - luma) / (2 - 2 * blue), ((1, 0, 0) - luma) / (2 - 2 * red)))


def reason_of(error: RuntimeError) -> str:
    """The reason out of a message that is mostly about the pipeline."""
    text = str(error)
    return text.partition("encountered:")[2].partition("C++ context")[0].strip() or text.strip()
