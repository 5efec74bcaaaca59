"""The systems whose retrieval over all pairs is counted (retrieval_pairs.py), at base size and tiny."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from flops import count
from quadrants import TEXTS, VOCABULARY, tiny_model

from mcg.config import load_config
from mcg.model.lavender_config import LavenderConfig
from mcg.model.model import Model
from mcg.text import open_texts
from mcg.text.texts import Texts

CHUNK = 64
"""Captions that ALPRO's release takes with a video at a time."""


class System(NamedTuple):
    config: str
    """Of MSR-VTT, at base size."""
    frames: tuple[int, ...]
    """Of clips; the last is the config's."""
    tokens: int
    """Of the longest text, as the model reads it."""
    text_limit: dict[str, int]
    """The setting of the task by which texts are so long, where the tiny model's are too."""
    video_tokens: int
    """Of a clip of the config, as it is kept."""
    wanted_bytes: int
    """Most bytes that a video and a text may keep in 16 bits."""
    rankings: tuple[str, ...]
    released_loop: Callable[[int, int], dict[str, int]]
    """Numbers of videos and texts -> rows that pass the model in the release's scoring."""

    def base_flops(self, frames: int) -> dict[str, int]:
        """FLOPs of the passes of one video, text and pair at base size."""
        other = [f"model.vision.num_frames={frames}", f"task.clip.num_frames={frames}"]
        run = load_config(self.config, other if frames != self.frames[-1] else [])
        with torch.device("meta"):
            model = run.model.build(open_texts(run.model))
        return flops_of(model, frames, run.task.clip.size, self.tokens)

    def tiny(self, folder: Path) -> tuple[Model, Texts]:
        """A model with random weights for one picture (quadrants.py). folder: for its vocabulary."""
        if self is not LAVENDER:
            return tiny_model(), TEXTS
        words = folder / "words.txt"
        words.write_text(Path(VOCABULARY).read_text().rstrip("\n") + "\ntrue\nfalse\n")
        vision = {"width": 8, "depths": (1, 1), "num_heads": (1, 2), "window": (2, 4, 4), "drop_path": 0.0}
        text = {"width": 16, "num_layers": 2, "num_heads": 2, "max_positions": 64, "dropout": 0.0, "init_std": 0.3}
        sizes = {"name": "lavender", "vision": vision, "text": text, "vocabulary": str(words)}
        config = LavenderConfig.model_validate(sizes)
        torch.manual_seed(0)
        return config.build(open_texts(config)).eval(), open_texts(config)


def flops_of(model: Model, frames: int, size: int, tokens: int) -> dict[str, int]:
    """FLOPs of one video, text and fused pair with its scores; the model is moved to the meta device."""
    with torch.device("meta"):
        model = model.to("meta").eval()
        clip = torch.empty(1, frames, size, size, 3, dtype=torch.uint8)
        ids, mask = torch.zeros(1, tokens, dtype=torch.long), torch.ones(1, tokens, dtype=torch.bool)
        video, text = model.encode_video(clip), model.encode_text(ids, mask)
        return {
            "video": count(lambda: model.encode_video(clip)),
            "text": count(lambda: model.encode_text(ids, mask)),
            "fusion": count(lambda: model.match_logits(model.fuse(text, video))),
        }


def _anew(num_videos: int, num_texts: int) -> dict[str, int]:
    """Each caption for every video, and each video for every CHUNK of captions."""
    pairs = num_videos * num_texts
    return {"video": num_videos * -(-num_texts // CHUNK), "text": pairs, "fusion": pairs}


def _once(num_videos: int, num_texts: int) -> dict[str, int]:
    """LAVENDER's release keeps states too."""
    return {"video": num_videos, "text": num_texts, "fusion": num_videos * num_texts}


ALPRO = System("configs/alpro/ft_msrvtt_ret.yaml", (4, 8), 40, {}, 197, 360_000, ("matching", "rerank"), _anew)
LAVENDER = System(
    "configs/lavender/ft_msrvtt_ret.yaml", (5,), 26, {"max_text_tokens": 25}, 250, 440_000, ("matching",), _once
)
SYSTEMS = {"alpro": ALPRO, "lavender": LAVENDER}
