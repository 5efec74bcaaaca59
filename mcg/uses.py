"""The uses of a run: tasks, objectives and datasets, by name, put together for one loader, one bundle and one engine.

A step is one use's on all ranks: all micro-batches of an optimiser step are of one dataset, drawn by the exact quotas
of the loader's blend (docs/order.md), which a turn of as many batches gives. A run without `uses` is one use named "",
and nothing of it is other than without this file. Its cost a step is a look-up by the name of the dataset
(benchmarks/uses_cost.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from mcg.config import RunConfig
from mcg.config.uses import join, of_use
from mcg.engine.step_uses import StepUse
from mcg.model.config import ModelConfig
from mcg.model.model import Model
from mcg.objectives.bundle import Bundle
from mcg.objectives.objective import Start
from mcg.scoring.evaluate import evaluate, write_scores
from mcg.scoring.scoring_record import evaluation_folder
from mcg.tasks.task import Scores, Task
from mcg.text.texts import Texts
from shards import EncodedClip, LoaderConfig, Sample
from shards.loader import RngFactory

_LEAST_SHARE = 0.002
"""Of the steps, for a use whose data is far smaller than the others'."""


class Uses:
    """Everything of a run that is by use."""

    def __init__(self, config: RunConfig, texts: Texts) -> None:
        """Raises ValueError where a task does not fit its data or the model."""
        self._config = config
        self._alone = config.alone
        self.tasks: dict[str, Task] = {}
        for name, own in self._alone.items():
            try:
                self.tasks[name] = own.task.build(texts)
                self.tasks[name].check_model(config.model)
            except ValueError as error:
                if not name:
                    raise
                raise ValueError(of_use(name, str(error))) from error
        weights = {name: use.weight for name, use in config.uses.items()}
        data = {name: own.data for name, own in self._alone.items()}
        joint = join(data, weights, config.engine.accumulation_steps)
        self.train: LoaderConfig = joint.loader
        """The training data of all uses."""
        self._joint = joint
        self._encoders = {dataset: self.tasks[use].encode for dataset, use in joint.use_of.items()}
        self.encode = self._encode if len(self._alone) > 1 else next(iter(self.tasks.values())).encode
        """A sample as the task of its use encodes it."""

    def _encode(self, sample: Sample, rng: RngFactory) -> EncodedClip:
        return self._encoders[sample.origin.dataset](sample, rng)

    @property
    def name(self) -> str:
        """In words."""
        return ", ".join(f"{use}: {task.name}" if use else task.name for use, task in self.tasks.items())

    @property
    def unscored(self) -> list[str]:
        """Uses without a val, where others are scored."""
        without = [name for name, own in self._alone.items() if own.data.val is None]
        return without if len(without) < len(self._alone) else []

    @property
    def has_val(self) -> bool:
        return any(own.data.val is not None for own in self._alone.values())

    def use_of(self, dataset: str | None) -> str | None:
        """The use that a dataset of the training data is for; None without `uses`."""
        return self._joint.use_of.get(dataset or "") or None

    def of_datasets(self) -> dict[str, StepUse] | None:
        """For the engine; None where there is one use."""
        if len(self._alone) == 1:
            return None
        engine, sizes = self._config.engine, self.train.batch_sizes
        return {
            dataset: StepUse(use, engine.batches_of_contrast(size) if self._alone[use].over_pairs else 1)
            for (dataset, use), size in zip(self._joint.use_of.items(), sizes, strict=True)
        }

    def completed(self, model: ModelConfig) -> ModelConfig:
        """The model's config with what only the tasks know (Task.completed)."""
        for name, task in self.tasks.items():
            try:
                model = task.completed(model)
            except ValueError as error:
                raise ValueError(of_use(name, str(error))) from error
        return model

    def check_world_size(self, world_size: int) -> None:
        """Raise ValueError unless the ranks divide every batch."""
        for name, own in self._alone.items():
            for split in ("train", "val"):
                loader: LoaderConfig | None = getattr(own.data, split)
                try:
                    if loader is not None:
                        loader.check_world_size(world_size)
                except ValueError as error:
                    raise ValueError(f"{of_use(name, f'data.{split}')}: {error}" if name else str(error)) from None

    def weigh(self, counts: Sequence[int]) -> list[float]:
        """The weights of the datasets by the elements of their passes, with `sampling: size` or `temperature`."""
        joint, sizes = self._joint, self.train.batch_sizes
        steps = dict.fromkeys(self._alone, 0.0)
        for use, count, size in zip(joint.use_of.values(), counts, sizes, strict=True):
            steps[use] += count / size
        power = 1 / self._config.temperature if self._config.sampling == "temperature" else 1.0
        turns = {use: number**power for use, number in steps.items()}
        whole = sum(turns.values())
        shares = zip(joint.shares, joint.use_of.values(), strict=True)
        return [max(_LEAST_SHARE, float(share) * turns[use] / whole) for share, use in shares]

    @property
    def weighs(self) -> bool:
        """True where the elements of the datasets say how often each use gets a step."""
        return self._config.sampling in ("size", "temperature") and len(self._alone) > 1

    def bundle(self, model: Model) -> Bundle:
        """The model with the objectives of every use."""
        several = len(self._alone) > 1
        objectives: dict[str, Any] = {}
        for use, own in self._alone.items():
            made = own.objectives.build()
            if not made and several:
                raise ValueError(f"uses.{use}.objectives: none has a weight above 0, so there is nothing to train on")
            objectives |= {f"{use}:{name}" if several else name: objective for name, objective in made.items()}
        return Bundle(model, objectives)

    def prepare(self, bundle: Bundle, run_dir: Path, device: torch.device) -> None:
        """Have the objectives of every use read what they need, before the first step, on all ranks together."""
        for use, own in self._alone.items():
            start = Start(run_dir, self._config.model, own.task.clip, device)
            bundle.prepare(start, use if len(self._alone) > 1 else None)

    def evaluate(self, model: Model, device: torch.device) -> dict[str, Scores]:
        """The scores of every use that has a val, the same on every rank."""
        return {
            use: replace(evaluate(self.tasks[use], model, own.data.val, device), use=use or None)
            for use, own in self._alone.items()
            if own.data.val is not None
        }

    def headline(self, scores: Mapping[str, Scores]) -> tuple[str, float] | None:
        """What selects the best checkpoint: the number of the use of `best_by`, or the mean of all uses."""
        chosen = {use: found for use, found in scores.items() if self._config.best_by in (None, use)}
        known = {use: found.headline for use, found in chosen.items() if found.headline is not None}
        if not known:
            return None
        names = [f"{use}: {name}" if use else name for use, (name, _) in known.items()]
        values = [value for _, value in known.values()]
        return (f"mean of {'; '.join(names)}" if len(names) > 1 else names[0], sum(values) / len(values))

    def write(self, scores: Mapping[str, Scores], run_dir: Path, rank: int, last: bool = True) -> None:
        """Write scores of val to the run's folder, the last ones, on rank 0; submissions are made of all and on every
        rank, so that all end, and at once, where the form does not fit."""
        made = {use: self.tasks[use].submission(found) for use, found in scores.items()}
        for use, found in scores.items() if last and rank == 0 else ():
            write_scores(found, evaluation_folder(run_dir, "val", use), made[use])

    def lacks_scores(self, run_dir: Path) -> bool:
        """True where the scores of a val are not in the run's folder."""
        scored = [use for use, own in self._alone.items() if own.data.val is not None]
        return not all((evaluation_folder(run_dir, "val", use) / "metrics.json").is_file() for use in scored)
