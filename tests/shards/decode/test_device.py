"""A device that is none changes nothing; a GPU that fails is named with the remedy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from shards.base.errors import DeviceFailed, MediaError
from shards.decode.device import Device

HERE = torch.cuda.is_available()


def test_without_a_device_frames_stay_where_they_are_and_errors_what_they_are() -> None:
    device, frames = Device(None), np.zeros((1, 2, 2, 3), np.uint8)
    with device.work():
        assert device.bring(frames) is frames
    with pytest.raises(RuntimeError, match=r"^mine$"), device.work():
        raise RuntimeError("mine")


@pytest.mark.skipif(HERE, reason="there is a GPU here")
def test_a_device_that_is_not_there_is_named_with_the_remedy() -> None:
    with (
        pytest.raises(DeviceFailed, match=r"^GPU 3 fails while decoding: [^\n]+; look at nvidia-smi;.*decode: cpu$"),
        Device(3).work(),
    ):
        raise AssertionError("the block is not entered")


@pytest.mark.skipif(not HERE, reason="needs a GPU")
def test_errors_of_the_data_pass_and_those_of_the_device_are_named() -> None:
    device = Device(torch.cuda.current_device())
    with pytest.raises(MediaError, match=r"^torn$"), device.work():
        raise MediaError("torn")
    with pytest.raises(DeviceFailed, match="out of memory"), device.work():
        torch.empty(1 << 50, dtype=torch.uint8, device="cuda")
    with device.work():
        assert device.bring(np.ones(3, np.uint8)).is_cuda  # type: ignore[union-attr]
