"""Pictures of four coloured quadrants whose captions name the colours, and a tiny model that is trained on them.

Retrieval whose contrast and matching agree in some measure, without a corpus and within two minutes.

The colours waver, so that neighbours among them are mistaken for each other: neither score is always right.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from mcg.model.mcg import MCG
from mcg.model.mcg_config import MCGConfig
from mcg.objectives.bundle import Bundle
from mcg.objectives.config import ObjectivesConfig
from mcg.tasks.config import RetrievalConfig
from mcg.tasks.retrieval import Retrieval
from mcg.text import open_texts
from mcg.text.texts import Texts
from shards import DatasetWriter, LoaderConfig
from shards.media import MediaFacts

COLOURS = {
    "red": (200, 40, 40),
    "orange": (220, 110, 40),
    "yellow": (220, 200, 60),
    "green": (60, 170, 60),
    "blue": (40, 60, 200),
    "purple": (130, 50, 170),
    "white": (230, 230, 230),
    "black": (30, 30, 30),
}
VOCABULARY = "configs/demo/vocab.txt"
SIDE = 32
TEXTS = open_texts(MCGConfig(vocabulary=VOCABULARY))
WAVERING = 35.0
"""Standard deviation of a quadrant's colour, in each channel, in training."""


def draw(generator: np.random.Generator, count: int) -> npt.NDArray[np.int64]:
    """(N, 4) numbers of colours, all rows different."""
    chosen = generator.choice(len(COLOURS) ** 4, count, replace=False)
    return np.stack(np.unravel_index(chosen, (len(COLOURS),) * 4), 1)


def caption(colours: Sequence[int]) -> str:
    names = list(COLOURS)
    a, b, c, d = (names[number] for number in colours)
    return f"{a} beside {b} above {c} beside {d}"


def pictures(
    generator: np.random.Generator, colours_N4: npt.NDArray[np.int64], wavering: float = WAVERING
) -> npt.NDArray[np.uint8]:
    """(N, SIDE, SIDE, 3)."""
    rgb = np.array(list(COLOURS.values()), np.float64)[colours_N4]
    rgb += generator.normal(0, wavering, rgb.shape)
    half = SIDE // 2
    quarters = np.clip(rgb, 0, 255).astype(np.uint8).reshape(-1, 2, 2, 3)
    return quarters.repeat(half, 1).repeat(half, 2)


def write_pictures(folder: Path, count: int, wavering: float = WAVERING, seed: int = 1) -> Path:
    """A dataset of so many pictures with a caption each, no two captions the same."""
    generator = np.random.default_rng(seed)
    colours = draw(generator, count)
    facts = MediaFacts(kind="image", codec="png", width=SIDE, height=SIDE, num_frames=1)
    with DatasetWriter(folder, "quadrants") as writer:
        for number, (row, pixels) in enumerate(zip(colours, pictures(generator, colours, wavering), strict=True)):
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, "PNG")
            records = [{"caption": caption(row), "id": f"t{number}"}]
            writer.write(f"{number:06d}", file.getvalue(), "png", records, {"id": f"v{number}"}, facts)
    return folder


def split_of(folder: Path, batch_size: int = 50) -> LoaderConfig:
    blend = [{"name": "quadrants", "path": str(folder), "elements": "sample"}]
    return LoaderConfig.model_validate({"blend": blend, "batch_size": batch_size, "mode": "eval"})


def retrieval(ranking: str, texts: Texts = TEXTS, **fields: object) -> Retrieval:
    settings = {"name": "retrieval", "clip": {"num_frames": 1, "size": SIDE}, "ranking": ranking}
    return Retrieval(RetrievalConfig.model_validate(settings | fields), texts)


def tiny_model() -> MCG:
    """2 blocks and 2 + 2 layers of 32 channels, for one frame."""
    return _model(num_frames=1, size=SIDE, width=32, depth=2)


def small_model(num_frames: int, size: int) -> MCG:
    """4 blocks and 2 + 2 layers of 48 channels."""
    return _model(num_frames, size, width=48, depth=4)


def _model(num_frames: int, size: int, width: int, depth: int) -> MCG:
    vision = {"image_size": size, "num_frames": num_frames, "width": width, "depth": depth, "num_heads": 2}
    spread = {"drop_path": 0.0, "init_std": 0.2, "position_std": 1.0, "temporal_identity": False}
    text = {"width": width, "num_layers": 4, "num_fusion_layers": 2, "num_heads": 2, "num_decoder_layers": 0}
    text |= {"token_head": "none", "dropout": 0.0, "init_std": 0.15, "max_positions": 64}
    config = {"vision": vision | spread, "text": text, "contrastive_width": 16, "matching_head": True}
    torch.manual_seed(0)
    return MCG(MCGConfig.model_validate({**config, "vocabulary": VOCABULARY}), TEXTS.size)


def train(model: MCG, steps: int, batch_size: int = 128, seed: int = 2) -> None:
    """By contrast and matching, on pictures that are drawn anew for every step."""
    generator = np.random.default_rng(seed)
    bundle = Bundle(model, ObjectivesConfig.model_validate({"contrastive": {}, "matching": {}}).build()).train()
    optimiser = torch.optim.AdamW(bundle.parameters(), 3e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, steps)
    for step in range(steps):
        loss = bundle(_inputs(generator, batch_size), step)["total"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    model.eval()


def _inputs(generator: np.random.Generator, count: int) -> dict[str, Tensor]:
    colours = draw(generator, count)
    pairs = [TEXTS.pair(caption(row), 40) for row in colours]
    found = {name: torch.from_numpy(np.stack([pair[name] for pair in pairs])) for name in pairs[0]}
    return {"frames": torch.from_numpy(pictures(generator, colours))[:, None], **found}
