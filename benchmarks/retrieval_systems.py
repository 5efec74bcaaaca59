"""The systems whose retrieval over all pairs is counted (retrieval_pairs.py), at base size and tiny."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from flops import count
from quadrants import TEXTS, VOCABULARY, tiny_model

from mcg.config import load_config
from mcg.model.config import ModelConfig
from mcg.model.lavender_config import LavenderConfig
from mcg.model.mcg_config import MCGConfig
from mcg.model.model import Model
from mcg.model.t2vlp_config import T2vlpConfig
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
    rerank: dict[str, Any]
    """Settings of the task for its re-ranking."""
    width: int
    """Channels of what is kept."""
    base: Callable[[], ModelConfig]
    """A model's config of the system."""
    released_loop: Callable[[int, int], dict[str, int]]
    """Numbers of videos and texts -> rows that pass the model in the release's scoring."""

    def base_flops(self, frames: int) -> dict[str, int]:
        """FLOPs of the passes of one video, text and pair at base size."""
        other = [f"model.vision.num_frames={frames}", f"task.clip.num_frames={frames}"]  # of ALPRO
        run = load_config(self.config, other if frames != self.frames[-1] else [])
        with torch.device("meta"):
            model = run.model.build(open_texts(run.model))
        return flops_of(model, frames, run.task.clip.size, self.tokens)

    def tiny(self, folder: Path) -> tuple[Model, Texts]:
        """A model with random weights for one picture (quadrants.py). folder: for its vocabulary."""
        if self is ALPRO:
            return tiny_model(), TEXTS
        torch.manual_seed(0)
        if self is T2VLP:
            return _built(small_t2vlp(32, 16, 32, 4, 1))
        words = folder / "words.txt"
        words.write_text(Path(VOCABULARY).read_text().rstrip("\n") + "\ntrue\nfalse\n")
        vision = {"width": 8, "depths": (1, 1), "num_heads": (1, 2), "window": (2, 4, 4), "drop_path": 0.0}
        text = {"width": 16, "num_layers": 2, "num_heads": 2, "max_positions": 64, "dropout": 0.0, "init_std": 0.3}
        sizes = {"name": "lavender", "vision": vision, "text": text, "vocabulary": str(words)}
        return _built(LavenderConfig.model_validate(sizes))


def _built(config: ModelConfig) -> tuple[Model, Texts]:
    texts = open_texts(config)
    return config.build(texts).eval(), texts


def small_t2vlp(size: int, patch: int, width: int, depth: int, frames: int) -> T2vlpConfig:
    """Clips of so many frames and pixels; `depth` blocks of `width` channels in each tower, half as many in fusion."""
    blocks = {"width": width, "num_heads": 2}
    images = {"image_size": size, "patch_size": patch, "joint_from": depth - 1}
    sizes = {
        "vision": {**blocks, "num_layers": depth, **images, "contrastive_width": width},
        "text": {**blocks, "num_layers": depth, "contrastive_width": width},
        "fusion": {**blocks, "num_layers": max(1, depth // 2)},
        "tubes": {"num_centres": 8, "num_layers": 1},
    }
    return T2vlpConfig.model_validate({"name": "t2vlp", "max_frames": frames, **sizes})


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


def _each_query(num_videos: int, num_texts: int) -> dict[str, int]:
    """T2VLP's release fuses the best of every query, in either direction by itself."""
    return {"video": num_videos, "text": num_texts, "fusion": 32 * (num_videos + num_texts)}


ALPRO = System(
    "configs/alpro/ft_msrvtt_ret.yaml",
    frames=(4, 8),
    tokens=40,
    text_limit={},
    video_tokens=197,
    wanted_bytes=360_000,
    rankings=("matching", "rerank"),
    rerank={"rerank_depth": 128},
    width=768,
    base=lambda: MCGConfig(matching_head=True),
    released_loop=_anew,
)
LAVENDER = System(
    "configs/lavender/ft_msrvtt_ret.yaml",
    frames=(5,),
    tokens=26,
    text_limit={"max_text_tokens": 25},
    video_tokens=250,
    wanted_bytes=440_000,
    rankings=("matching",),
    rerank={},
    width=768,
    base=lambda: LavenderConfig(name="lavender"),
    released_loop=_once,
)
T2VLP = System(
    "configs/t2vlp/ft_msrvtt_ret.yaml",
    frames=(12,),
    tokens=32,
    text_limit={"max_text_tokens": 32},
    video_tokens=1 + 12 + 8,
    wanted_bytes=25_000 + 32_768,
    rankings=("rerank",),
    rerank={"rerank_depth": 32, "rerank_by": "product"},
    width=512,
    base=lambda: T2vlpConfig(name="t2vlp"),
    released_loop=_each_query,
)
SYSTEMS = {"alpro": ALPRO, "lavender": LAVENDER, "t2vlp": T2VLP}
