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
from typing import Any, Self

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator, model_validator

from mcg.compat import Compat, spread_compat
from mcg.config.environment import Given, read_stored, resolve
from mcg.config.older import upgrade
from mcg.config.yaml_limits import check_interpolations, check_yaml
from mcg.convert.config import InitSource
from mcg.engine.config import CheckpointConfig, EngineConfig, LogConfig, OptimConfig
from mcg.engine.schedule import ScheduleConfig
from mcg.model import MODELS, AnyModelConfig
from mcg.model.config import ModelConfig
from mcg.objectives.config import ObjectivesConfig
from mcg.tasks.config import TaskConfig
from shards.base import ConfigError, explain, shown
from shards.loader import LoaderConfig
from shards.storage import is_remote, local_path


class _DataConfig(BaseModel):
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
    task: TaskConfig
    """The use of the data: pre-training, or answering questions."""
    model: AnyModelConfig
    """The model."""
    objectives: ObjectivesConfig
    """The losses and their weights."""
    data: _DataConfig
    """The datasets."""
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
        if isinstance(values, dict):
            section = values.get("model")
            values = _model_of(values).adapted(section if isinstance(section, dict) else {}, values)
            values = spread_compat(values, _model_of(values).released)
        data = values.get("data") if isinstance(values, dict) else None
        if not isinstance(data, dict):
            return values
        spread = {
            split: {
                **({"seed": values["seed"]} if "seed" in values else {}),
                **({"mode": "eval"} if split in ("val", "test") else {}),
                **loader,
            }
            if isinstance(loader, dict)
            else loader
            for split, loader in data.items()
        }
        return {**values, "data": spread}

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
        self.model.check_clip(self.task.clip)
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
        over_pairs = [objective for objective in self.objectives.chosen().values() if objective.over_pairs]
        if self.engine.batches_of_contrast(self.data.train.batch_size) > 1 and not over_pairs:
            raise ValueError(
                "engine.contrastive_batch is for losses over pairs, and there is none; add objectives.contrastive, or "
                "leave it out"
            )
        return self


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a config file, with `a.b=c` overrides. Raises ConfigError."""
    return _parse_config(*resolve(_read_tree(path, overrides), str(path)), str(path))


def load_stored(stored: dict[str, Any], place: str, used: tuple[str, ...]) -> RunConfig:
    """The config that a checkpoint stores. used: the needed sections (`environment`). Raises ConfigError."""
    return _parse_config(*read_stored(upgrade(stored), place, used), place)


def read_yaml(path: str | Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The resolved tree of a YAML file with overrides. Raises ConfigError for what is not readable YAML."""
    return resolve(_read_tree(path, overrides), str(path))[0]


def _model_of(tree: dict[str, Any]) -> type[ModelConfig]:
    """The class of the config that a tree has under `model`; without a known name it is the first of MODELS."""
    section = tree.get("model")
    name = section.get("name") if isinstance(section, dict) else None
    return MODELS.get(str(name), next(iter(MODELS.values())))


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
