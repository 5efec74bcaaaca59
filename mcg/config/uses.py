"""Several uses of one model in a run: each has a task, objectives and datasets of its own.

A use is what a run of it alone would be. Its name becomes folders and keys of logs, so it is a plain word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import lcm
from typing import Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mcg.objectives.config import ObjectivesConfig
from mcg.tasks.config import TaskConfig
from shards.base import shown
from shards.loader import DatasetConfig, LoaderConfig

Sampling = Literal["weights", "uniform", "size", "temperature"]
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}")
_SETTING = re.compile(r"(?<![\w./])(?:task|objectives|data)\.(?=[a-z])")
_OF_A_USE = ("blend", "batch_size", "mode", "unit", "batches_per_turn")
"""Settings of a loader that are not the same for all uses."""


class DataConfig(BaseModel):
    """The datasets of a run, by purpose."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    train: LoaderConfig
    """Training data: endless and shuffled."""
    val: LoaderConfig | None = None
    """Validation data, scored during training."""
    test: LoaderConfig | None = None
    """Test data, scored by `python -m mcg.evaluate`."""

    @model_validator(mode="after")
    def _check_modes(self) -> Self:
        for split in ("val", "test"):
            loader = getattr(self, split)
            if loader is not None and loader.mode != "eval":
                raise ValueError(f"{split}.mode must be eval, found {loader.mode!r}; leave it out")
        if self.train.mode != "train":
            raise ValueError(f"train.mode must be train, found {self.train.mode!r}; leave it out")
        return self


class UseConfig(DataConfig):
    """One of several uses of the model."""

    task: TaskConfig
    """The use of its data."""
    objectives: ObjectivesConfig
    """Its losses and their weights."""
    weight: float = Field(default=1, gt=0, allow_inf_nan=False)
    """Share of the optimiser steps, with `sampling: weights`."""


def check_form(given: Sequence[str], uses: Mapping[str, UseConfig] | None) -> None:
    """Raise ValueError unless a run is of one form. given: which of task, objectives and data are there; uses: None
    where they are not written."""
    missing = [name for name in ("task", "objectives", "data") if name not in given]
    if uses is not None and not uses and not given:
        raise ValueError("uses: is empty; name at least one use, or write task, objectives and data")
    if not uses and missing:
        raise ValueError(f"{missing[0]}: missing, and it has no default")
    if uses and given:
        told = ", ".join(given)
        raise ValueError(f"uses and {told} are both given; move {told} into a use of its own, or leave uses out")


def check_uses(uses: Mapping[str, UseConfig], sampling: Sampling, best_by: str | None, leaks_stated: bool) -> None:
    """Raise ValueError where uses do not make one run."""
    _check_names(uses)
    if best_by is not None and (best_by not in uses or uses[best_by].val is None):
        scored = [name for name, use in uses.items() if use.val is not None]
        why = "has no val to be scored on" if best_by in uses else "is no use of this run"
        known = f"choose from {', '.join(scored)}" if scored else "leave it out"
        raise ValueError(f"best_by: {shown(best_by)} {why}; {known}")
    weighed = [name for name, use in uses.items() if use.weight != 1]
    if weighed and sampling != "weights":
        raise ValueError(
            f"uses.{weighed[0]}.weight is {uses[weighed[0]].weight:g}, but sampling is {sampling}; leave one of the "
            "two out"
        )
    if len(uses) > 1:
        for name, use in uses.items():
            if use.train.unit != "step" or use.train.batches_per_turn != 1:
                raise ValueError(
                    f"uses.{name}.train: batches of several uses are each of one dataset; leave unit and "
                    "batches_per_turn out"
                )
        join(uses, {name: use.weight for name, use in uses.items()}, 1)
    if not leaks_stated:
        _check_leaks(uses)


def _check_names(names: Iterable[str]) -> None:
    """Raise ValueError for what cannot be the name of a folder and a key of logs everywhere."""
    seen: dict[str, str] = {}
    for name in names:
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"uses: {shown(name)!r} is no name of a use: write a letter and up to 31 letters, digits or _"
            )
        if name.lower() in seen:
            raise ValueError(f"uses: {seen[name.lower()]} and {name} would be one folder on some disks; rename one")
        seen[name.lower()] = name


def of_use(use: str, text: str) -> str:
    """A text about settings such as data.train.batch_size, with the paths that they have in a run of several uses.
    use: "" where there are no `uses`."""
    return _SETTING.sub(lambda found: f"uses.{use}.{found[0].removeprefix('data.')}", text) if use else text


def spread_to_uses(uses: Mapping[str, Any], spread: Any) -> dict[str, Any]:
    """The uses of a config tree, each as `spread` leaves a tree {task, objectives, data} of it and its name."""
    made: dict[str, Any] = {}
    for name, use in uses.items():
        if not isinstance(use, dict):
            made[name] = use  # for the validator to refuse
            continue
        splits = {split: use[split] for split in ("train", "val", "test") if split in use}
        tree = spread({**{key: use[key] for key in ("task", "objectives") if key in use}, "data": splits}, name)
        made[name] = {**use, **{key: tree[key] for key in ("task", "objectives") if key in tree}, **tree["data"]}
    return made


def _check_leaks(uses: Mapping[str, DataConfig]) -> None:
    """Raise ValueError where training data of one use may hold videos that another is scored on, and no exclusion list
    is named for it. Two datasets count as one where they have one address, or lie in one folder, or where their names
    begin with the same word (msrvtt, msrvtt_qa-val)."""
    for name, use in uses.items():
        for number, trained in enumerate(use.train.blend):
            if trained.exclude:
                continue
            for other, scored in uses.items():
                for split in ("val", "test") if other != name else ():
                    loader: LoaderConfig | None = getattr(scored, split)
                    for at, evaluated in enumerate(loader.blend if loader is not None else ()):
                        if _are_one(trained, evaluated):
                            raise ValueError(
                                f"uses: uses.{name}.train.blend[{number}] ({trained.name}) may hold videos that "
                                f"uses.{other}.{split}.blend[{at}] ({evaluated.name}) is scored on, and has no "
                                f"exclude; run python -m tools leaks --train {shown(trained.path)} --eval "
                                f"{shown(evaluated.path)} --out FOLDER and name its lists as exclude, or say leaks: "
                                "checked where you know that there are none, leaks: accepted where you do not mind"
                            )


def _are_one(a: DatasetConfig, b: DatasetConfig) -> bool:
    places = [one.path.rstrip("/") for one in (a, b)]
    folders = {path.rpartition("/")[0] for path in places}
    words = {re.split(r"[._-]", one.name.lower(), maxsplit=1)[0] for one in (a, b)}
    return len(set(places)) == 1 or len(words) == 1 or (len(folders) == 1 and "" not in folders)


class _Joint(NamedTuple):
    """The training data of all uses as those of one loader."""

    loader: LoaderConfig
    use_of: dict[str, str]
    """Dataset of the loader -> use. A name that only one use has is kept, another becomes USE.NAME."""
    shares: list[Fraction]
    """Of each dataset in the turns of its use."""


def join(uses: Mapping[str, DataConfig], weights: Mapping[str, float], batches_per_turn: int) -> _Joint:
    """One use is left as it is. weights: of the uses; batches_per_turn: those of an optimiser step. Raises
    ValueError."""
    first = next(iter(uses.values())).train
    if len(uses) == 1:
        return _Joint(first, dict.fromkeys([one.name for one in first.blend], *uses), [Fraction(1)] * len(first.blend))
    names = [{one.name for one in use.train.blend} for use in uses.values()]
    blend, use_of, shares = [], {}, []
    for use, data in uses.items():
        whole = sum(Fraction(str(one.weight)) for one in data.train.blend)
        for one, size in zip(data.train.blend, data.train.batch_sizes, strict=True):
            name = one.name if sum(one.name in own for own in names) == 1 else f"{use}.{one.name}"
            if name != one.name and one.exclude:
                raise ValueError(
                    f"uses.{use}.train: another use has a dataset {one.name}, too, and exclusion lists go by names; "
                    "give it a name of its own"
                )
            share = Fraction(str(one.weight)) / whole
            blend.append(one.model_copy(update={"name": name, "batch_size": size}))
            use_of[name] = use
            shares.append(share)
    turns = [share * Fraction(str(weights[use])) for share, use in zip(shares, use_of.values(), strict=True)]
    common = lcm(*(turn.denominator for turn in turns))
    blend = [one.model_copy(update={"weight": float(turn * common)}) for one, turn in zip(blend, turns, strict=True)]
    largest = max(size for use in uses.values() for size in use.train.batch_sizes)
    settings = _settings_of_the_loader(uses)
    loader = LoaderConfig(**settings, blend=tuple(blend), batch_size=largest, batches_per_turn=batches_per_turn)
    return _Joint(loader, use_of, shares)


def _settings_of_the_loader(uses: Mapping[str, DataConfig]) -> dict[str, Any]:
    """What the `train` of any use says of the loader itself, of which a run has one, other than its default. Raises
    ValueError where two say different things."""
    found: dict[str, tuple[str, Any]] = {}
    for name, use in uses.items():
        for field, info in LoaderConfig.model_fields.items():
            value = getattr(use.train, field)
            if field in _OF_A_USE or value == info.default:
                continue
            other, known = found.setdefault(field, (name, value))
            if known != value:
                raise ValueError(
                    f"uses: uses.{other}.train.{field} is {known!r} and uses.{name}.train.{field} {value!r}, but one "
                    "loader reads for all uses: say it once"
                )
    return {field: value for field, (_, value) in found.items()}
