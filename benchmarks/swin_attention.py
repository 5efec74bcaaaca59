"""Which attention within windows is faster in Video Swin, torchvision's or SDPA?

    PYTHONPATH=. python benchmarks/swin_attention.py [--rounds 3]

The whole encoder in fp32 on one thread of the CPU: base at 224 pixels, one clip of 4 frames, and a small one (3 stages
of 48, 96 and 192 channels) at 64 pixels, 16 clips of 4 frames. Each form once without gradients (`encode`) and once
with the gradients of all weights (`train`). Both are checked to give the same states and gradients before anything is
timed. The model takes the faster one of each (mcg/model/parts/video_swin.py).
"""

from __future__ import annotations

import argparse
import json
from typing import Any
from unittest.mock import patch

import torch
from harness import compare, timed
from torch import Tensor
from torchvision.models.video.swin_transformer import ShiftedWindowAttention3d

from mcg.model.parts.configs import VideoSwinConfig
from mcg.model.parts.video_swin import VideoSwin

REPEATS = 3
SIZES: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "base, 224 pixels": ({"preset": "base"}, (1, 4, 3, 224, 224)),
    "small, 64 pixels": (
        {"width": 48, "depths": (2, 2, 2), "num_heads": (3, 6, 12), "window": (8, 4, 4)},
        (16, 4, 3, 64, 64),
    ),
}
FORMS = ("torchvision", "SDPA")


def made(size: str) -> tuple[VideoSwin, Tensor]:
    """A model and clips, from a seed."""
    fields, shape = SIZES[size]
    torch.manual_seed(0)
    model = VideoSwin(VideoSwinConfig.model_validate({**fields, "drop_path": 0.0}))
    return model, torch.randn(shape)


def attending(model: VideoSwin, form: str) -> Any:
    """A block in which the model's attention has this form, with gradients and without."""
    kind: Any = type(model.blocks[0].attn)
    return patch.object(kind, "forward", ShiftedWindowAttention3d.forward if form == "torchvision" else kind.by_sdpa)


def check(size: str) -> None:
    """Both forms give the same states and gradients."""
    model, clips = made(size)
    results = []
    for form in FORMS:
        model.zero_grad()
        with attending(model, form):
            states = model(clips)
            states.square().mean().backward()
        results.append([states.detach(), *(p.grad for p in model.parameters())])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def time_form(size: str, form: str) -> dict[str, float]:
    """Seconds of a forward pass without gradients and of one with the backward pass; the least of REPEATS after one
    that is not counted."""
    model, clips = made(size)
    runs: list[dict[str, float]] = []
    with attending(model, form):
        for _ in range(REPEATS + 1):
            run: dict[str, float] = {}
            with timed(run, "encode"), torch.no_grad():
                model(clips)
            model.zero_grad()
            with timed(run, "train"):
                model(clips).square().mean().backward()
            runs.append(run)
    return {name: min(run[name] for run in runs[1:]) for name in runs[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--case", nargs=2, metavar=("SIZE", "FORM"), help="one measurement, as JSON")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    if chosen.case:
        print(json.dumps(time_form(*chosen.case)))
        return
    for size in SIZES:
        check(size)
    cases = {f"{size}, {form}": [size, form] for size in SIZES for form in FORMS}
    compare("attention within windows of Video Swin", __file__, cases, chosen.rounds)


if __name__ == "__main__":
    main()
