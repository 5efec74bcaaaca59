"""A run folder of a small captioning model, written without training, and real videos."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from tests.mcg.small_checkpoint import run_config, write_checkpoint
from tests.mcg.small_lavender import lavender_config

ROOT = Path(__file__).resolve().parents[3]
VIDEO = ROOT / "samples" / "videos" / "bbb_tree.mp4"
VIDEOS = (VIDEO, ROOT / "samples" / "videos" / "bbb_bird.mp4", ROOT / "samples" / "images" / "sk_coffee.jpg")


def write_captioner(run_dir: Path, **task: Any) -> Path:
    torch.manual_seed(0)
    settings = {"name": "captioning", "clip": {"num_frames": 2, "size": 32}, "max_caption_tokens": 6, "num_beams": 2}
    fields: dict[str, Any] = {"model": lavender_config().model_dump(), "objectives": {"masked_lm": {"causal": True}}}
    return write_checkpoint(run_config(run_dir, task=settings | task, **fields))
