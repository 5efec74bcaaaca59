"""A real dataset of tiny pictures with questions, a task over it and its loader config."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from mcg.tasks.config import OpenQAConfig
from mcg.tasks.open_qa import OpenQA
from shards import DatasetWriter, LoaderConfig
from tests.mcg.small_model import TEXTS
from tests.shards.small_dataset import FACTS, picture

COLORS = ("red", "green", "blue")


def write_questions(
    folder: Path, num_samples: int = 7, broken: Collection[int] = (), records_of: Sequence[int] = (1, 2)
) -> Path:
    """Sample i is a gray picture with records_of[i % len] questions; the bytes of `broken` ones are no picture."""
    with DatasetWriter(folder, "gray", samples_per_shard=3) as writer:
        for i in range(num_samples):
            media = b"no picture" if i in broken else picture(30 * i)
            asked = [
                {
                    "question": f"what color is number {r}",
                    "answer": COLORS[(i + r) % 3],
                    "type": f"kind{r}",
                    "id": f"{i}.{r}",
                }
                for r in range(records_of[i % len(records_of)])
            ]
            writer.write(f"{i:04d}", media, "png", asked, {}, FACTS)
    return folder


def make_task(**fields: Any) -> OpenQA:
    clip = {"num_frames": 2, "size": 32}
    settings = {"name": "open_qa", "clip": clip, "max_answer_tokens": 4, "num_beams": 2}
    return OpenQA(OpenQAConfig.model_validate(settings | fields), TEXTS)


def loader_config(folder: Path, batch_size: int = 4, **fields: Any) -> LoaderConfig:
    blend = [{"name": "gray", "path": str(folder)}]
    return LoaderConfig.model_validate({"blend": blend, "batch_size": batch_size, "mode": "eval"} | fields)
