"""The root of the config tree, and the reading of config files.

YAML by OmegaConf (interpolation, `${oc.env:NAME}`, `a.b=c` overrides), validated by pydantic models that live beside
their owners and forbid unknown fields. An error names the file, the dotted path, the value, what is allowed, and the
nearest known name. `data.*.seed` follows the run's seed, and `data.val` and `data.test` are evaluations, unless said
otherwise; `compat` reaches every section that has such a key (mcg/compat.py).
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator, model_validator

from mcg.compat import Compat
from mcg.config.environment import Given, read_stored, resolve
from mcg.config.older import upgrade
from mcg.config.spreading import spread
from mcg.config.uses import DataConfig, Sampling, UseConfig, check_form, check_uses, of_use, spread_to_uses
from mcg.config.yaml_limits import check_interpolations, check_yaml
from mcg.convert.config import InitSource
from mcg.engine.config import CheckpointConfig, EngineConfig, LogConfig, OptimConfig
from mcg.engine.schedule import ScheduleConfig
from mcg.model import AnyModelConfig
from mcg.objectives.config import ObjectivesConfig
from mcg.tasks.config import TaskConfig
from shards.base import ConfigError, UsageError, explain, shown
from shards.storage import is_remote, local_path

_NOT_GIVEN: Any = None
if TYPE_CHECKING:  # as `alone` and `of_use` give them
    _Task = TaskConfig
    _Objectives = ObjectivesConfig
    _Data = DataConfig
else:
    _Task = TaskConfig | None
    _Objectives = ObjectivesConfig | None
    _Data = DataConfig | None


class RunConfig(BaseModel):
    """One run of train.py."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    vars: dict[str, str | int | float] = Field(default_factory=dict)
    """Names of your own, for use elsewhere in the file as ${vars.name}."""
    run_dir: str = Field(min_length=1)
    """Folder for checkpoints, logs and results."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Seed of everything random: order, augmentation, masking, initialisation, dropout."""
    compat: Compat = "corrected"
    """Bugs of the released code: corrected, or as released, to reproduce its numbers (mcg/compat.py)."""
    continue_from: str | None = None
    """A checkpoint or run folder of another run to go on from with its optimiser and position, if this run has no
    checkpoint yet."""
    init_from: str | None = None
    """Weights to start from: a checkpoint folder or a run folder; optimiser and position start anew."""
    init: tuple[InitSource, ...] = ()
    """Released weights to start from, one after the other, over those of init_from."""
    task: _Task = _NOT_GIVEN
    """The use of the data: pre-training, or answering questions. A run has one, with objectives and data, or `uses`."""
    model: AnyModelConfig
    """The model."""
    objectives: _Objectives = _NOT_GIVEN
    """The losses and their weights."""
    data: _Data = _NOT_GIVEN
    """The datasets."""
    uses: dict[str, UseConfig] = Field(default_factory=dict)
    """Several uses of the model in one run, by name: each has its own task, objectives and datasets. A step is one
    use's, on all ranks."""
    sampling: Sampling = "weights"
    """How often each use gets a step: by its weight; equally often; by the steps of a pass of its data, so that all
    make as many passes; or by that number to the power of 1 / temperature."""
    temperature: float = Field(default=2.0, ge=1, allow_inf_nan=False)
    """For `sampling: temperature`: 1 is as size, and the larger it is, the more equal are the uses."""
    best_by: str | None = None
    """The use whose val selects the best checkpoint; None: the mean of all that have one."""
    leaks: Literal["checked", "accepted"] | None = None
    """Say it where several uses share a dataset and no exclusion list is named: that no video of training is scored on,
    or that it does not matter."""
    optim: OptimConfig = OptimConfig()
    """The optimiser."""
    schedule: ScheduleConfig
    """Length of the run, and the learning rate over time."""
    engine: EngineConfig = EngineConfig()
    """DeepSpeed: ZeRO, precision, accumulation, checkpointing of activations."""
    checkpoint: CheckpointConfig = CheckpointConfig()
    """The interval between checkpoints and the number kept."""
    log: LogConfig = LogConfig()
    """Log lines, evaluations during training, TensorBoard and Prometheus files."""

    _given: Given = PrivateAttr(default=Given({}, {}))

    @property
    def stored(self) -> dict[str, Any]:
        """The config as it is written to files: expressions of the environment stay unresolved (`environment`)."""
        return self._given.to_store(self.model_dump(mode="json"))

    @field_validator("run_dir")
    @classmethod
    def _is_a_folder(cls, run_dir: str) -> str:
        """Refuse a URL, which would make a folder of that name."""
        if "://" in run_dir:
            raise ValueError(
                f"{shown(run_dir)} is a URL, and a run writes into a folder: name one on a disk or a shared file "
                "system; checkpoint.to copies its checkpoints to the store"
            )
        return run_dir

    @model_validator(mode="before")
    @classmethod
    def _spread(cls, values: Any) -> Any:
        """Let task and objectives follow the model, copy compat to its sections, and seed and evaluation mode to the
        loaders that do not set their own."""
        if not isinstance(values, dict):
            return values
        given, values = values, spread(values)
        if isinstance(uses := given.get("uses"), dict):
            of_uses = ("task", "objectives", "data")
            shared = {name: value for name, value in values.items() if name not in of_uses}
            own = {name: value for name, value in values.items() if name in given}
            values = {
                **shared,
                **own,
                "uses": spread_to_uses(uses, lambda tree, name: spread({**shared, **tree}, name)),
            }
        return values

    @model_validator(mode="after")
    def _is_one_or_several(self) -> Self:
        given = [name for name in ("task", "objectives", "data") if getattr(self, name) is not None]
        check_form(given, self.uses if "uses" in self.model_fields_set else None)
        check_uses(self.uses, self.sampling, self.best_by, self.leaks is not None)
        return self

    @model_validator(mode="after")
    def _copies_elsewhere(self) -> Self:
        to = self.checkpoint.to
        if to is not None and not is_remote(to):
            place, own = Path(local_path(to)).resolve(), (Path(self.run_dir) / "checkpoints").resolve()
            if place == own or own in place.parents:
                raise ValueError(f"checkpoint.to: {shown(to)} is where the run itself saves; name another place")
        return self

    @model_validator(mode="after")
    def _fits(self) -> Self:
        pairs = any(own.over_pairs for own in self.alone.values())
        for use, own in self.alone.items():
            try:
                own._fits_alone(pairs)
            except ValueError as error:
                raise ValueError(of_use(use, str(error))) from error
        return self

    def _fits_alone(self, pairs: bool) -> None:
        """pairs: any use of the run has a loss over pairs."""
        self.model.check_clip(self.task.clip)
        if self.task.evaluation_clip is not None:
            self.model.check_clip(self.task.evaluation_clip, "task.evaluation_clip")
        clips = (self.task.clip, self.task.evaluation_clip or self.task.clip)
        self.model.check_texts(self.task.longest_texts(), max(clip.num_frames for clip in clips))
        for split, loader in (("train", self.data.train), ("val", self.data.val), ("test", self.data.test)):
            if loader is not None:
                self.task.check_data(split, loader)
            for verb in self.task.scored_by if loader is not None and split != "train" else ():
                if (missing := self.model.missing(verb)) is not None:
                    raise ValueError(
                        f"data.{split}: task {self.task.name} is scored by {verb}: {missing}; leave data.{split} out"
                    )
        self.task.check_objectives(self.objectives.chosen())
        for name, objective in self.objectives.chosen().items():
            for need in objective.needs:
                if (missing := self.model.missing(need)) is not None:
                    raise ValueError(f"objectives.{name} needs {need}: {missing}")
            objective.check_model(self.model)
        if self.over_pairs or not pairs:
            for size in dict.fromkeys(self.data.train.batch_sizes):
                if self.engine.batches_of_contrast(size) > 1 and not pairs:
                    raise ValueError(
                        "engine.contrastive_batch is for losses over pairs, and there is none; add "
                        "objectives.contrastive, or leave it out"
                    )

    @property
    def over_pairs(self) -> bool:
        """True where an objective is a loss over pairs."""
        return any(objective.over_pairs for objective in self.objectives.chosen().values())

    @property
    def alone(self) -> dict[str, RunConfig]:
        """Each use by name, as the config of a run of it alone, with task, objectives and data; "" is the name where
        there are no `uses`."""
        return {name: self._alone(use) for name, use in self.uses.items()} or {"": self}

    def of_use(self, name: str | None) -> RunConfig:
        """The config of a run of one use alone; None is the only one. Raises UsageError that lists them."""
        if name is None and len(self.uses) < 2:
            return next(iter(self.alone.values()))
        if name is None or name not in self.uses:
            known = f"choose from {', '.join(self.uses)}" if self.uses else "this run has one use, leave it out"
            raise UsageError(f"--use {name}: {known}" if name is not None else f"several uses: say --use, {known}")
        return self._alone(self.uses[name])

    def _alone(self, use: UseConfig) -> RunConfig:
        data = DataConfig.model_construct(train=use.train, val=use.val, test=use.test)
        own = {"task": use.task, "objectives": use.objectives, "data": data}
        return self.model_copy(update={**own, "uses": {}, "best_by": None})


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a config file, with `a.b=c` overrides. Raises ConfigError."""
    return _parse_config(*resolve(_read_tree(path, overrides), str(path)), str(path))


def load_stored(stored: dict[str, Any], place: str, used: tuple[str, ...]) -> RunConfig:
    """The config that a checkpoint stores. used: the needed sections, also of each use (`environment`). Raises
    ConfigError."""
    return _parse_config(*read_stored(upgrade(stored), place, used), place)


def read_yaml(path: str | Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The resolved tree of a YAML file with overrides. Raises ConfigError for what is not readable YAML."""
    return resolve(_read_tree(path, overrides), str(path))[0]


def _read_tree(path: str | Path, overrides: Sequence[str]) -> DictConfig:
    file = Path(path)
    if not file.is_file():
        known = sorted(str(p) for p in Path("configs").rglob("*.yaml"))
        near = difflib.get_close_matches(str(path), known, n=1, cutoff=0.4)
        raise ConfigError(f"{path}: no such config file" + (f"; did you mean {near[0]}?" if near else ""))
    for override in overrides:
        if "=" not in override or override.startswith(("-", "=")):
            raise ConfigError(f"{override!r} is not an override; write a.b=c, e.g. optim.lr=1e-4")
    try:
        check_yaml(file.read_text(encoding="utf-8"))
        tree = OmegaConf.load(file)
        if not isinstance(tree, DictConfig):
            raise ConfigError(f"{path}: expected a mapping at the top, found a list")
        for override in overrides:
            key, _, value = override.partition("=")
            check_yaml(value)
            given = OmegaConf.to_container(OmegaConf.from_dotlist([f"given={value}"]))
            assert isinstance(given, dict)
            OmegaConf.update(tree, key, given["given"], force_add=True)
        check_interpolations(OmegaConf.to_container(tree))
        return tree
    except ConfigError:
        raise
    except (OmegaConfBaseException, ValueError, TypeError, OSError, RecursionError) as error:
        raise ConfigError(f"{path}: {error}") from error
    except Exception as error:  # YAML parser errors share no base class with OmegaConf's
        if type(error).__module__.startswith("yaml"):
            raise ConfigError(f"{path}: not valid YAML: {error}") from error
        raise


def _parse_config(values: dict[str, Any], given: Given, path: str) -> RunConfig:
    """Validate a tree. given: the values that came from the environment. Raises ConfigError with a line per fault."""
    try:
        config = RunConfig.model_validate(values)
    except ValidationError as error:
        expressions = given.by_text()
        lines = given.without_values(explain(error, RunConfig, path, expressions))
        # Not `from error`, which quotes values of the environment.
        raise ConfigError(*lines) from (None if expressions else error)
    config._given = given
    return config
