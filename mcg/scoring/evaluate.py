"""Scores of a model on a split: every element once, on any number of ranks, failures counted as wrong.

Training scores its val split with this function, and the command `python -m mcg.evaluate` a checkpoint.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import torch

from mcg import distributed
from mcg.engine.tensors import to_tensors
from mcg.model.model import Model
from mcg.scoring.controls import Control
from mcg.scoring.submission import Submission
from mcg.tasks.task import Scores, Task
from shards import Loader, LoaderConfig
from shards.base import AccountingError
from shards.loader import RunAccounting


def evaluate(task: Task, model: Model, config: LoaderConfig, device: torch.device, control: str = "none") -> Scores:
    """Scores of a model on a split, the same on every rank. The model's mode is put back afterwards."""
    answers: list[dict[str, Any]] = []
    failures: list[dict[str, Any]] = []
    was_training = model.training
    model.eval()
    rank, world, altered = distributed.rank(), distributed.world_size(), Control(control, config.seed)
    with Loader(config, rank, world, task.encode_for_evaluation) as loader, torch.inference_mode():
        accounting, evaluation = RunAccounting(loader, distributed.gather_objects), task.evaluation(model, device)
        for number, batch in enumerate(loader, start=1):
            distributed.doing("evaluating", f"batch {number}")
            # also where this rank has padding only: under ZeRO 3 the ranks gather the weights together, layer by layer
            shown = dataclasses.replace(batch, frames=altered.frames(batch))
            given = evaluation.add(shown, to_tensors(shown, device))
            answers += [answer for answer, valid in zip(given, batch.valid, strict=True) if valid]
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
        distributed.doing("scoring", f"{len(answers)} answers")
        failures = distributed.gather_objects(failures)
        found = sum(distributed.gather_objects([len(answers)])), len(failures)
        expected = elements.delivered, elements.failed
        if found != expected:
            raise AccountingError(f"(answers, failures) of all ranks are {found}, the loaders delivered {expected}")
        predictions = evaluation.finish(answers)
    model.train(was_training)
    return task.score(predictions, failures)


def write_scores(scores: Scores, out: Path, made: Submission | None = None) -> None:
    """predictions.jsonl in a folder, failures.jsonl where there are any, a submission if one is given, and metrics.json
    last."""
    out.mkdir(parents=True, exist_ok=True)
    if made is not None:
        made.write(out)
    for name, lines in (("predictions", scores.predictions), ("failures", scores.failures)):
        file = out / f"{name}.jsonl"
        if lines or name == "predictions":
            file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        else:
            file.unlink(missing_ok=True)  # of an earlier scoring
    (out / "metrics.json").write_text(json.dumps(scores.metrics, indent=1) + "\n")
