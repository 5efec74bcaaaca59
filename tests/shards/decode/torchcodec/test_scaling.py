"""Arrays and tensors are scaled, cropped and mirrored alike, as the filter of pictures does it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from shards.decode.torchcodec.scaling import scaled_array, scaled_tensor
from shards.media.clip_plan import ClipPlan
from tests.shards.pictures import scene

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
FRAMES = np.stack([scene(90, 120), scene(90, 120)[::-1], scene(90, 120)[:, ::-1]])


def pillow(frame: np.ndarray, plan: ClipPlan) -> np.ndarray:
    top, left, height, width = plan.crop
    image = Image.fromarray(frame).resize(plan.resize[::-1], Image.Resampling.BICUBIC)
    picture = np.asarray(image)[top : top + height, left : left + width]
    return picture[:, ::-1] if plan.flip else picture


@pytest.mark.parametrize("device", DEVICES)
@given(
    size=st.tuples(st.integers(30, 200), st.integers(30, 200)),
    part=st.tuples(st.floats(0, 0.9), st.floats(0, 0.9), st.floats(0.1, 1), st.floats(0.1, 1)),
    flip=st.booleans(),
)
def test_the_crop_of_any_size_is_that_of_pillow(
    device: str, size: tuple[int, int], part: tuple[float, float, float, float], flip: bool
) -> None:
    top, left = int(size[0] * part[0]), int(size[1] * part[1])
    height, width = max(1, int((size[0] - top) * part[2])), max(1, int((size[1] - left) * part[3]))
    plan = ClipPlan((0, 1, 2), size, (top, left, height, width), flip)
    expected = np.stack([pillow(frame, plan) for frame in FRAMES])
    array = scaled_array(FRAMES, plan)
    tensor = scaled_tensor(torch.from_numpy(FRAMES.copy()).to(device), plan)
    assert array.shape == tuple(tensor.shape) == plan.shape and array.dtype == np.uint8 and tensor.dtype == torch.uint8
    assert np.array_equal(array, expected)
    # Pillow rounds between its two directions, and keeps what overshoots within 0 to 255 there.
    apart = np.abs(tensor.cpu().numpy().astype(int) - expected)
    assert apart.mean() < 0.3 and np.percentile(apart, 99) <= 3


def test_a_view_is_scaled_and_the_clip_is_in_memory_of_its_own() -> None:
    plan = ClipPlan((0,), (40, 50), (0, 0, 40, 50))
    view = FRAMES[:1, 10:70, 20:100]
    expected = pillow(view[0], plan)
    array, tensor = scaled_array(view, plan), scaled_tensor(torch.from_numpy(FRAMES.copy())[:1, 10:70, 20:100], plan)
    assert np.array_equal(array[0], expected) and np.abs(tensor.numpy()[0].astype(int) - expected).mean() < 0.3
    assert array.flags.c_contiguous and tensor.is_contiguous() and array.base is None
