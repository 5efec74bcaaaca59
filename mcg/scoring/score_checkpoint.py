"""One scoring of a checkpoint on a split, as `python -m mcg.evaluate` asks for it.

The request is checked in full before torch is loaded and a model is built.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mcg.config import RunConfig, load_config
from mcg.config.uses import of_use
from mcg.engine.checkpoint import Checkpoint, best_checkpoint, find_checkpoint, selection
from mcg.inputs import check_inputs
from mcg.scoring.controls import CONTROLS
from mcg.scoring.score_table import score_table
from mcg.scoring.scoring_record import ScoringRecord, evaluation_folder
from shards import LoaderConfig
from shards.base import UsageError, no_garbage_collection, say, say_json


def score_checkpoint(
    config_file: Path,
    checkpoint_path: Path,
    split: str,
    *,
    controls: Sequence[str] = ("none",),
    out: Path | None = None,
    overrides: Sequence[str] = (),
    select: str | None = None,
    again: bool = False,
    use: str | None = None,
) -> None:
    """Score under each control, write the results to `out` (None: RUN_DIR/evaluation/SPLIT, of several uses
    RUN_DIR/evaluation/SPLIT/USE) and print them. use: which one, where there are several.

    select: "latest" or "best" of a run folder; None takes the best for the test split, where there is one. again: also
    where this checkpoint's run has scored the test split before. Raises PrintableError, ValueError.
    """
    whole = load_config(config_file, overrides)
    if split not in ("val", "test"):
        raise UsageError(f"--split {split!r}: choose val or test")
    unknown = [control for control in controls if control not in CONTROLS]
    if unknown:
        raise UsageError(f"--control {unknown[0]!r}: choose from {', '.join(CONTROLS)}")
    config = whole.of_use(use)
    named = use or next(iter(whole.alone))
    loader: LoaderConfig | None = getattr(config.data, split)
    if loader is None:
        raise ValueError(f"{config_file}: {of_use(named, f'data.{split}')} is missing, so there is nothing to score")
    checkpoint, which = _chosen(checkpoint_path, select, split)
    if split == "test" and not again:
        ScoringRecord(checkpoint).check_unscored(named or None)
    check_inputs(config, (split,))
    folder = out or evaluation_folder(Path(config.run_dir), split, named)
    _score(config, loader, checkpoint, which, split, controls, folder, named or None)


def _score(
    config: RunConfig,
    loader: LoaderConfig,
    checkpoint: Checkpoint,
    which: str,
    split: str,
    controls: Sequence[str],
    folder: Path,
    use: str | None,
) -> None:
    with no_garbage_collection():
        import torch
        from rich.console import Console

        from mcg import distributed
        from mcg.engine.deepspeed import start_distributed
        from mcg.scoring.evaluate import evaluate, write_scores
        from mcg.text import open_texts
        from mcg.trained import trained_model

    device = start_distributed(config.engine)
    if config.engine.threads is not None:
        torch.set_num_threads(config.engine.threads)
    task = config.task.build(open_texts(config.model))
    model = trained_model(checkpoint, task, config.model)
    if distributed.rank() == 0:
        say(f"{checkpoint.folder}: {which}, step {checkpoint.step}", sys.stderr)
    model.to(device)
    for control in controls:
        scores = replace(evaluate(task, model, loader, device, control), use=use)
        made = task.submission(scores) if control == "none" else None  # on every rank, so that all end if it fails
        if distributed.rank() == 0:
            write_scores(scores, folder if control == "none" else folder / control, made)
            of = "" if use is None else f" of {use}"
            table = score_table(scores.metrics, f"{checkpoint.folder} on {split}{of}, control {control}")
            if table is not None:
                Console(stderr=True).print(table)
            named = {} if use is None else {"use": use}
            say_json({"split": split, **named, "step": checkpoint.step, "control": control, **scores.metrics})
            if split == "test":
                ScoringRecord(checkpoint).note(control, folder, scores)


def _chosen(path: Path, select: str | None, split: str) -> tuple[Checkpoint, str]:
    """The checkpoint to score, and which one it is in words. Raises CheckpointError, UsageError."""
    if select is not None:
        selection(select)
    if (path / "checkpoint.json").is_file():
        return find_checkpoint(path), "the checkpoint that was named"
    if select == "best" or (select is None and split == "test" and best_checkpoint(path) is not None):
        return find_checkpoint(path, "best"), "the best by val"
    return find_checkpoint(path), "the latest"
