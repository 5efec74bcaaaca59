"""Checks that the files a run reads exist, and of what a command asks a model with, made before torch is loaded.

Everything that is missing on this machine is named at once. Stores are not asked: the loader asks them when it opens
the datasets, which is also before the model is built.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from mcg.config import RunConfig, load_config
from mcg.config.uses import of_use
from mcg.convert.locate import locate
from mcg.convert.rules import ConvertError
from mcg.engine.checkpoint import CheckpointError, Selection, find_checkpoint, selection
from shards.base import PrintableError, shown
from shards.storage import is_remote, local_path


class InputError(PrintableError, ValueError):
    """Data or weights that a run needs are missing; one line for each."""


def check_inputs(config: RunConfig, splits: Sequence[str], weights: bool = False) -> None:
    """Raise InputError with a line for each file of this machine that a config names and that does not exist.

    splits: the datasets that are read. weights: continue_from, init_from and init are read, too.
    """
    missing = [_of_use(use, line) for use, own in config.alone.items() for line in _data(own, splits)]
    missing += _vocabulary(config)
    missing += [_of_use(use, line) for use, own in config.alone.items() for line in _task_files(own)]
    if weights:
        missing += _weights(config)
    if missing:
        raise InputError(*missing)


def check_request(
    checkpoint: Path, select: str, config: Path | None, overrides: Sequence[str], use: str | None
) -> Selection:
    """Refuse what a command asks a trained model with, as far as it is wrong, before torch is loaded; returns which
    checkpoint of a run folder it means. Raises CheckpointError, ConfigError, UsageError."""
    chosen = selection(select)
    find_checkpoint(checkpoint, chosen)
    if config is not None:
        load_config(config, overrides).of_use(use)
    return chosen


def _of_use(use: str, line: str) -> str:
    path, _, told = line.partition(": ")
    return f"{of_use(use, path)}: {told}"


def _data(config: RunConfig, splits: Sequence[str]) -> Iterator[str]:
    for split in splits:
        loader = getattr(config.data, split)
        for number, dataset in enumerate(loader.blend if loader is not None else ()):
            place = f"data.{split}.blend[{number}]"
            if not _is_there(dataset.path):
                yield f"{place}.path: {shown(dataset.path)} is not there; build the dataset, or name the place of it"
            for file in dataset.exclude:
                if not _is_there(file):
                    yield f"{place}.exclude: {shown(file)} is not there; name a file of samples to leave out"
            for file in dict.fromkeys(dataset.side_files):
                if not _is_there(file):
                    field = "side" if file in dataset.side else "texts"
                    yield f"{place}.{field}: {shown(file)} is not there; name a side table, or make it"


def _vocabulary(config: RunConfig) -> Iterator[str]:
    if config.model.vocabulary is not None and not _is_there(config.model.vocabulary):
        yield f"model.vocabulary: {shown(config.model.vocabulary)} is not there; name the place of it"


def _task_files(config: RunConfig) -> Iterator[str]:
    for field, path in config.task.files().items():
        if not _is_there(path):
            yield f"task.{field}: {shown(path)} is not there; name the place of it"
    for name, objective in config.objectives.chosen().items():
        for field, path in objective.files(Path(config.run_dir)).items():
            if not _is_there(path):
                remedy = objective.remedies.get(field, "name the place of it")
                yield f"objectives.{name}.{field}: {shown(path)} is not there; {remedy}"


def _weights(config: RunConfig) -> Iterator[str]:
    for field in ("continue_from", "init_from"):
        try:
            if (place := getattr(config, field)) is not None:
                find_checkpoint(place)
        except CheckpointError as error:
            yield f"{field}: {error}"
    for number, source in enumerate(config.init):
        try:
            locate(source.path)
        except ConvertError as error:
            yield f"init[{number}].path: {error}"


def _is_there(address: str) -> bool:
    return is_remote(address) or Path(local_path(address)).expanduser().exists()
