"""Score a task on a split: every element once, on any number of ranks, failures counted as wrong.

    python -m mcg.evaluate --config configs/demo/ft_qa.yaml --checkpoint runs/demo/ft --split test
    python -m mcg.evaluate --config ... --checkpoint runs/demo/ft --select latest     instead of the best by val
    torchrun --nproc-per-node 2 -m mcg.evaluate ...

Writes OUT/metrics.json, OUT/predictions.jsonl, where elements failed OUT/failures.jsonl, and for question sets
OUT/submission.json and .csv in the set's own form; prints a table by question type and the metrics. Training uses the
same function. The test split is for one scoring, of the checkpoint that val has selected: of a run folder the best one
is taken, where there is one, and a second scoring needs --again (mcg/scoring/scoring_record.py).
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console

from mcg import distributed
from mcg.command import one_line_errors
from mcg.config import load_config
from mcg.engine.checkpoint import Checkpoint, best_checkpoint, find_checkpoint
from mcg.engine.deepspeed import start_distributed, stop_distributed
from mcg.model.mcg import MCG
from mcg.scoring.controls import CONTROLS, apply_control
from mcg.scoring.score_table import score_table
from mcg.scoring.scoring_record import check_unscored, note_scoring, record_of
from mcg.scoring.submission import Submission, write_submission
from mcg.tasks import TASKS
from mcg.tasks.task import Scores, Task, to_tensors
from mcg.trained import trained_model
from shards import Failure, Loader, LoaderConfig
from shards.accounting import RunAccounting
from shards.printing import guard_terminal, say, say_json
from shards.stats import AccountingError


def evaluate(task: Task, model: MCG, config: LoaderConfig, device: torch.device, control: str = "none") -> Scores:
    """Scores of a model on a split, the same on every rank. The model's mode is put back afterwards."""
    predictions: list[dict[str, Any]] = []
    failures: list[dict[str, Any]] = []
    was_training = model.training
    model.eval()
    rank, world = distributed.rank(), distributed.world_size()
    with Loader(config, rank, world, task.encode_for_evaluation) as loader, torch.inference_mode():
        accounting = RunAccounting(loader, distributed.gather_objects)
        for batch in loader:
            # also where this rank has padding only: under ZeRO 3 the ranks gather the weights together, layer by layer
            shown = dataclasses.replace(batch, frames=apply_control(batch.frames, batch.origins, control, config.seed))
            answers = task.predict(model, shown, to_tensors(shown, device))
            predictions += [answer for answer, valid in zip(answers, batch.valid, strict=True) if valid]
            failures += [
                {
                    **meta,
                    "origin": str(origin),
                    "element": failure.row,
                    "stage": failure.stage,
                    "reason": failure.reason,
                }
                for meta, origin, slot in zip(batch.meta, batch.origins, batch.slot_failures, strict=True)
                for failure in slot  # one, where there is any: an evaluation substitutes nothing
            ]
        elements = accounting.finish().elements
    model.train(was_training)
    predictions = distributed.gather_objects(predictions)
    failures = distributed.gather_objects(failures)
    found, expected = (len(predictions), len(failures)), (elements.delivered, elements.failed)
    if found != expected:
        raise AccountingError(f"(predictions, failures) of all ranks are {found}, the loaders delivered {expected}")
    return task.score(predictions, failures)


def _told(failure: Failure) -> dict[str, Any]:
    """Which element of its shard failed, at what, and why."""
    return {"element": failure.row, "stage": failure.stage, "reason": failure.reason}


def write_scores(scores: Scores, out: Path, made: Submission | None = None) -> None:
    """metrics.json and predictions.jsonl in a folder, failures.jsonl where there are any, and a submission if one is
    given."""
    out.mkdir(parents=True, exist_ok=True)
    if made is not None:
        write_submission(made, out)
    (out / "metrics.json").write_text(json.dumps(scores.metrics, indent=1) + "\n")
    for name, lines in (("predictions", scores.predictions), ("failures", scores.failures)):
        file = out / f"{name}.jsonl"
        if lines or name == "predictions":
            file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        else:
            file.unlink(missing_ok=True)  # of an earlier scoring


def main(
    config: Annotated[Path, typer.Option(help="The config file that the checkpoint was trained with.")],
    checkpoint: Annotated[Path, typer.Option(help="A checkpoint folder, or a run folder.")],
    split: Annotated[str, typer.Option(help="Which of data.train, data.val, data.test: val or test.")] = "test",
    select: Annotated[
        str | None,
        typer.Option(help="Which checkpoint of a run folder: latest, or best (by val), which is what test takes."),
    ] = None,
    again: Annotated[bool, typer.Option(help="Score the test split although this run has scored it before.")] = False,
    control: Annotated[list[str] | None, typer.Option(help=f"One or more of: {', '.join(CONTROLS)}.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the results; default RUN_DIR/evaluation/SPLIT.")] = None,
    overrides: Annotated[list[str] | None, typer.Argument(help="a.b=c, over the config file.")] = None,
) -> None:
    """Score a checkpoint on a split; controls other than none take something away from the clips."""
    try:
        with one_line_errors():
            _run(config, checkpoint, split, control or ["none"], out, overrides or [], select, again)
    finally:
        stop_distributed()


def _run(
    config_path: Path,
    checkpoint_path: Path,
    split: str,
    controls: list[str],
    out: Path | None,
    overrides: list[str],
    select: str | None = None,
    again: bool = False,
) -> None:
    config = load_config(config_path, overrides)
    if split not in ("val", "test"):
        raise ValueError(f"--split {split!r}: choose val or test")
    unknown = [control for control in controls if control not in CONTROLS]
    if unknown:
        raise ValueError(f"--control {unknown[0]!r}: choose from {', '.join(CONTROLS)}")
    loader: LoaderConfig | None = getattr(config.data, split)
    if loader is None:
        raise ValueError(f"{config_path}: data.{split} is missing, so there is nothing to score")
    checkpoint, which = _chosen(checkpoint_path, select, split)
    record = record_of(checkpoint)
    if split == "test" and not again:
        check_unscored(record)
    device = start_distributed()
    if config.engine.threads is not None:
        torch.set_num_threads(config.engine.threads)
    task: Task = TASKS[config.task.name](config.task)
    model = trained_model(checkpoint, task, config.model)
    if distributed.rank() == 0:
        say(f"{checkpoint.folder}: {which}, step {checkpoint.step}", sys.stderr)
    model.to(device)
    folder = out or Path(config.run_dir) / "evaluation" / split
    for control in controls:
        scores = evaluate(task, model, loader, device, control)
        made = task.submission(scores) if control == "none" else None  # on every rank, so that all end if it fails
        if distributed.rank() == 0:
            write_scores(scores, folder if control == "none" else folder / control, made)
            table = score_table(scores.metrics, f"{checkpoint.folder} on {split}, control {control}")
            if table is not None:
                Console(stderr=True).print(table)
            say_json({"split": split, "step": checkpoint.step, "control": control, **scores.metrics})
            if split == "test":
                note_scoring(record, checkpoint, control, folder, scores)


def _chosen(path: Path, select: str | None, split: str) -> tuple[Checkpoint, str]:
    """The checkpoint to score, and which one it is in words. Raises CheckpointError, ValueError."""
    if select not in (None, "latest", "best"):
        raise ValueError(f"--select {select!r}: choose latest or best")
    if (path / "checkpoint.json").is_file():
        return find_checkpoint(path), "the checkpoint that was named"
    if select == "best" or (select is None and split == "test" and best_checkpoint(path) is not None):
        return find_checkpoint(path, "best"), "the best by val"
    return find_checkpoint(path), "the latest"


if __name__ == "__main__":
    guard_terminal()
    typer.run(main)
