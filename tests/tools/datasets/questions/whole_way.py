"""The whole way of a question set: published files and clips, the public command, a loader, a task, decoded batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from mcg.model.mcg_config import MCGConfig
from mcg.tasks.config import TaskConfig
from mcg.text import open_texts
from shards import Loader, LoaderConfig
from tests.tools.commands.command_line import invoke


def decoded_questions(dataset: str, annotations: Path, media: Path, task: str, id_map: Path | None = None) -> list[Any]:
    """Build beside the annotations, and tell what the task tells of every question, each with a clip that was decoded.

    Raises AssertionError where a row is quarantined or a question fails.
    """
    out = annotations.with_suffix(".built")
    options: list[str | Path] = ["--annotations", annotations, "--media", media, "--out", out, "--max-quarantined", "0"]
    built = invoke("build", dataset, *options, *(["--id-map", id_map] if id_map else []))
    assert built.exit_code == 0, built.output
    settings: dict[str, Any] = {"name": task, "clip": {"num_frames": 2, "size": 32}}
    asked = TypeAdapter[Any](TaskConfig).validate_python(settings).build(open_texts(MCGConfig()))
    loaded = LoaderConfig.model_validate({"blend": [{"name": "x", "path": str(out)}], "batch_size": 2, "mode": "eval"})
    told = []
    with Loader(loaded, 0, 1, asked.encode_for_evaluation) as batches:
        for batch in batches:
            assert not batch.failures and batch.frames.shape == (2, 2, 32, 32, 3)
            assert all(frames.std() > 1 for frames in batch.frames[batch.valid])
            told += [meta for meta, is_valid in zip(batch.meta, batch.valid, strict=True) if is_valid]
    return told
