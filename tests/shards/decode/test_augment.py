"""RandAugment on pixels: against Pillow and plain numpy, the same for arrays and tensors, and through the decoder."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
import torchvision.transforms.v2  # noqa: F401 - takes seconds when seen first, which are no test's
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from shards.decode.augment import apply_ops
from shards.decode.cpu import decode
from shards.media.clip_config import ClipConfig
from shards.media.clip_plan import ClipPlan
from shards.media.randaugment import Op, OpName
from shards.read.reader import Reader
from tests.shards.film_dataset import NUM_SAMPLES, load, write_films

ENHANCE = {
    "brightness": ImageEnhance.Brightness,
    "contrast": ImageEnhance.Contrast,
    "sharpness": ImageEnhance.Sharpness,
}
SIZE = 24
OPS = [Op("brightness", 1.3), Op("contrast", 0.6), Op("shear_x", -0.2), Op("rotate", 20.0), Op("flip", 1.0)]


def clip(num_frames: int = 3, size: int = SIZE) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (num_frames, size, size, 3), np.uint8)


def smooth(size: int = 64) -> NDArray[np.uint8]:
    """One frame without noise, so that interpolations of two libraries can be compared."""
    y, x = np.mgrid[:size, :size] / size
    return np.stack([255 * x, 255 * y, 120 + 100 * np.sin(5 * x + 3 * y)], -1)[None].astype(np.uint8)


@pytest.mark.parametrize("factor", [0.1, 0.55, 1.36, 1.45, 1.9])
@pytest.mark.parametrize("name", ENHANCE)
def test_enhancements_are_those_of_pillow(name: OpName, factor: float) -> None:
    frames = clip()
    ours = apply_ops(frames, [Op(name, factor)])
    theirs = np.stack([np.asarray(ENHANCE[name](Image.fromarray(frame)).enhance(factor)) for frame in frames])
    if name == "sharpness":  # Pillow rounds the smoothed picture before it goes on
        assert np.abs(ours.astype(int) - theirs).max() <= 2
    else:
        assert np.abs(ours.astype(int) - theirs).max() <= 1


@pytest.mark.parametrize("shift", [-7, -1, 1, 5])
def test_shifts_move_pixels_and_leave_gray(shift: int) -> None:
    frames = clip()
    for name, axis in (("translate_x", 2), ("translate_y", 1)):
        expected = np.roll(frames, shift, axis)
        uncovered = [slice(None)] * 4
        uncovered[axis] = slice(0, shift) if shift > 0 else slice(shift, None)
        expected[tuple(uncovered)] = 128
        np.testing.assert_array_equal(apply_ops(frames, [Op(name, float(shift))]), expected)  # type: ignore[arg-type]


@pytest.mark.parametrize("slope", [-0.3, 0.15])
def test_shears_go_sideways_with_every_row_or_column(slope: float) -> None:
    frame = smooth()
    ours = apply_ops(frame, [Op("shear_x", slope)])[0].astype(float)
    columns = np.arange(64)
    for row in range(64):
        where = columns - slope * (row + 0.5)  # where a pixel comes from
        inside = (where > 1) & (where < 62)
        for channel in range(3):
            expected = np.interp(where, columns, frame[0, row, :, channel])
            assert np.abs(ours[row, :, channel] - expected)[inside].max() <= 1
        assert (ours[row, (where < -1) | (where > 64)] == 128).all()
    turned = apply_ops(frame.swapaxes(1, 2), [Op("shear_y", slope)])[0].astype(float)
    assert np.abs(turned - ours.swapaxes(0, 1)).max() <= 1


@pytest.mark.parametrize("degrees", [-30.0, 15.0])
def test_turns_are_those_of_pillow(degrees: float) -> None:
    frame = smooth()
    ours = apply_ops(frame, [Op("rotate", degrees)])[0]
    theirs = Image.fromarray(frame[0]).rotate(degrees, Image.Resampling.BILINEAR, fillcolor=(128, 128, 128))
    assert np.median(np.abs(ours.astype(int) - np.asarray(theirs))) <= 1
    assert np.abs(ours.astype(int) - np.asarray(theirs))[16:48, 16:48].max() <= 2
    np.testing.assert_array_equal(apply_ops(frame, [Op("rotate", 90.0)])[0], np.rot90(frame[0]))


def test_a_flip_mirrors() -> None:
    np.testing.assert_array_equal(apply_ops(clip(), [Op("flip", 1.0)]), clip()[:, :, ::-1])


def test_operations_come_in_their_order() -> None:
    first, second = Op("translate_x", 5.0), Op("rotate", 90.0)
    both = apply_ops(clip(), [first, second])
    np.testing.assert_array_equal(both, apply_ops(apply_ops(clip(), [first]), [second]))
    assert (both != apply_ops(clip(), [second, first])).any()


ops_ = st.lists(
    st.one_of(
        st.builds(Op, st.sampled_from(sorted(ENHANCE)), st.floats(0.1, 1.9)),
        st.builds(Op, st.sampled_from(["shear_x", "shear_y"]), st.floats(-0.3, 0.3)),
        st.builds(Op, st.sampled_from(["translate_x", "translate_y"]), st.integers(-10, 10).map(float)),
        st.builds(Op, st.just("rotate"), st.floats(-30, 30)),
        st.just(Op("flip", 1.0)),
    ),
    max_size=4,
)


@settings(max_examples=40)
@given(ops_, st.integers(1, 3), st.integers(2, 20))
def test_arrays_and_tensors_give_the_same(ops: list[Op], num_frames: int, size: int) -> None:
    frames = clip(num_frames, size)
    before = frames.copy()
    array = apply_ops(frames, ops)
    tensor = apply_ops(torch.from_numpy(frames), ops)
    assert isinstance(array, np.ndarray) and isinstance(tensor, torch.Tensor)
    np.testing.assert_array_equal(array, tensor.numpy())
    assert array.shape == frames.shape and array.dtype == np.uint8 and array.flags.c_contiguous
    assert tensor.is_contiguous()
    np.testing.assert_array_equal(frames, before)


def test_every_frame_is_changed_alike() -> None:
    frames = clip(3)
    together = apply_ops(frames, OPS)
    for number in range(3):
        np.testing.assert_array_equal(together[number : number + 1], apply_ops(frames[number : number + 1], OPS))


def test_every_operation_is_known() -> None:
    for name in get_args(OpName):
        apply_ops(clip(), [Op(name, 1.0)])
    with pytest.raises(ValueError, match="unknown operation 'blur'"):
        apply_ops(clip(), [Op("blur", 1.0)])  # type: ignore[arg-type]


def test_the_cpu_decoder_ends_with_the_operations(make_clip: Callable[..., bytes]) -> None:
    place = ((5, 1, 9), (48, 64), (4, 6, 40, 50), True)
    film = make_clip(12)
    expected = apply_ops(decode(film, "video", ClipPlan(*place)), OPS)
    np.testing.assert_array_equal(decode(film, "video", ClipPlan(*place, ops=tuple(OPS))), expected)
    picture = io.BytesIO()
    Image.fromarray(clip()[0]).save(picture, "PNG")
    place = ((0, 0, 0), (48, 64), (4, 6, 40, 50), False)
    expected = apply_ops(decode(picture.getvalue(), "image", ClipPlan(*place)), OPS)
    found = decode(picture.getvalue(), "image", ClipPlan(*place, ops=tuple(OPS)))
    assert found.shape == (3, 40, 50, 3)
    np.testing.assert_array_equal(found, expected)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory, make_clip: Callable[..., bytes]) -> Path:
    return write_films(tmp_path_factory.mktemp("films"), make_clip)


def test_augmentation_comes_out_of_the_loader(films: Path) -> None:
    """The same pixels as when the operations are done by hand; of a picture with a treatment of its own too."""
    boxes = {"fit": "random_resized_crop", "randaugment": {"num_ops": 3, "level": 9}}
    pictures = {"fit": "random_resized_crop", "flip": 1, "randaugment": {"space": "image", "level": 7, "num_ops": 4}}
    clip = ClipConfig(num_frames=4, size=64, flip=0.5, pictures=pictures, **boxes)  # type: ignore[arg-type]
    reader = Reader("films", str(films))
    draw = np.random.default_rng(0)
    media = {sample.record["caption"]: sample for sample in (reader.read(0, row, draw) for row in range(NUM_SAMPLES))}
    num_changed = 0
    for name, (plan, frames) in load(films, clip).items():
        bare = decode(media[name].media, media[name].facts.kind, replace(plan, ops=()))
        np.testing.assert_array_equal(frames, apply_ops(bare, plan.ops))
        num_changed += bool((frames != bare).any())
    assert num_changed >= NUM_SAMPLES - 2


def test_level_five_changes_pixels_and_its_released_form_may_not(films: Path) -> None:
    """Brightness, contrast and sharpness, which do nothing as released."""
    for seed in range(3):
        for released in (False, True):
            ops = {"num_ops": 10, "level": 5, "released": released}
            clip = ClipConfig(num_frames=2, size=64, randaugment=ops)  # type: ignore[arg-type]
            names = {op.name for op in load(films, clip, seed=seed)["110"][0].ops}
            assert len(names) == (6 if released else 9)
            assert {"brightness", "contrast", "sharpness"} <= names or released


def test_without_operations_torch_stays_away() -> None:
    code = (
        "import sys, numpy as np; from shards.decode.augment import apply_ops; import shards.decode.cpu; "
        "a = np.zeros((1, 2, 2, 3), np.uint8); assert apply_ops(a, ()) is a; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
