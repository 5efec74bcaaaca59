"""Where the records of a run's log go: RUN/log.jsonl, TensorBoard, Weights & Biases, MLflow; one small interface.

A record is the dict of one line of log.jsonl: of a step (with "losses"), of scores (with "metrics"), or a note. A new
tracker is a class with `write` and `close` here and its setting in LogConfig. A tracker other than log.jsonl never ends
a run once it has begun: it is left with a warning. One that cannot begin is refused, with what to do.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from mcg.engine.config import LogConfig
from mcg.metrics import DETAILS
from shards.base import PrintableError, logger, shown

_logger = logger(__name__)
NO_LOSSES = ("lr", "gradient_norm", "loss_scale")
"""What stands beside the losses of a step."""
_NOT_DRAWN = ("step", "dataset", "use", "elements", "losses", "seconds", "slowest_stage", "loader_lost_error")


class TrackerError(PrintableError, RuntimeError):
    """A tracker that cannot begin."""


class Tracker(Protocol):
    """Takes the records of a run in the order of their steps."""

    def write(self, record: dict[str, Any]) -> None: ...

    def close(self, failed: bool) -> None:
        """failed: the run ends by an error."""
        ...


class _JsonLines:
    """RUN/log.jsonl: each record is a line, on the disk before the next step begins."""

    def __init__(self, file: Path, first_step: int) -> None:
        """first_step: a resumed run writes the later ones again."""
        _drop_lines_from(file, first_step)
        self._file = file.open("a")

    def write(self, record: dict[str, Any]) -> None:
        self._file.write(json.dumps(record) + "\n")
        self._file.flush()

    def close(self, failed: bool) -> None:
        self._file.close()


class _TensorBoard:
    """RUN/tensorboard, for `tensorboard --logdir`: training and validation."""

    def __init__(self, folder: Path, first_step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder), purge_step=first_step + 1)

    def write(self, record: dict[str, Any]) -> None:
        for name, value in scalars(record).items():
            self._writer.add_scalar(name, value, record["step"])

    def close(self, failed: bool) -> None:
        self._writer.close()


class _WeightsAndBiases:
    """A run of a project of Weights & Biases; a resumed run goes on in the same one. Offline with WANDB_MODE=offline,
    and `wandb sync` later."""

    def __init__(self, folder: Path, project: str, config: dict[str, Any]) -> None:
        wandb = _installed("wandb", "wandb", project)
        file = folder / "wandb_id"
        identifier = file.read_text().strip() if file.is_file() else uuid.uuid4().hex[:12]
        file.write_text(identifier + "\n")
        try:
            self._run = wandb.init(
                project=project,
                name=folder.name,
                id=identifier,
                resume="allow",
                dir=str(folder),
                config=config,
                settings=wandb.Settings(console="off", silent=True),
            )
        except Exception as error:  # its own kinds, and those of the network
            raise TrackerError(
                f"log.wandb: Weights & Biases cannot be reached or refuses: {str(error)[:300]}; set "
                "WANDB_MODE=offline and run `wandb sync` later, or leave log.wandb out"
            ) from error

    def write(self, record: dict[str, Any]) -> None:
        if values := scalars(record):
            self._run.log(values, step=record["step"])

    def close(self, failed: bool) -> None:
        self._run.finish(exit_code=int(failed))


class _MLflow:
    """A run of an experiment of MLflow, at MLFLOW_TRACKING_URI or, without it, in files of RUN/mlruns; a resumed run
    goes on in the same one."""

    def __init__(self, folder: Path, experiment: str, config: dict[str, Any]) -> None:
        mlflow = _installed("mlflow", "mlflow-skinny", experiment)
        place = os.environ.get("MLFLOW_TRACKING_URI") or (folder / "mlruns").absolute().as_uri()
        # Otherwise it asks a server that is away for minutes, and not at all for files.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        file = folder / "mlflow_id"
        try:
            self._client = mlflow.MlflowClient(place)
            if file.is_file():
                self._run = file.read_text().strip()
                self._client.set_terminated(self._run, "RUNNING")
            else:
                known = self._client.get_experiment_by_name(experiment)
                number = self._client.create_experiment(experiment) if known is None else known.experiment_id
                self._run = self._client.create_run(number, run_name=folder.name).info.run_id
                file.write_text(self._run + "\n")
                self._client.log_dict(self._run, config, "config.json")
        except Exception as error:  # its own kinds, and those of the network
            raise TrackerError(
                f"log.mlflow: MLflow at {shown(place)} cannot be reached or refuses: {str(error)[:300]}; set "
                "MLFLOW_TRACKING_URI, or unset it for files in the run's folder, or leave log.mlflow out"
            ) from error
        self._metric = mlflow.entities.Metric

    def write(self, record: dict[str, Any]) -> None:
        now, step = int(time.time() * 1000), record.get("step", 0)
        named = [(re.sub(r"[^\w\-. :/]", "_", name), value) for name, value in scalars(record).items()]
        if named:
            self._client.log_batch(self._run, [self._metric(name, value, now, step) for name, value in named])

    def close(self, failed: bool) -> None:
        self._client.set_terminated(self._run, "FAILED" if failed else "FINISHED")


def _installed(module: str, package: str, wanted: str) -> Any:
    """The module of a tracker, which is not installed with the rest. Raises TrackerError."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise TrackerError(
            f"log.{module}: {wanted!r} is asked for, and {module} is not installed: pip install {package}"
        ) from None


def open_trackers(
    folder: Path, config: LogConfig, first_step: int, stored: dict[str, Any] | None = None
) -> list[Tracker]:
    """The trackers that a config asks for, log.jsonl first. stored: the run's config, in the form for files. Raises
    TrackerError."""
    found: list[Tracker] = [_JsonLines(folder / "log.jsonl", first_step)]
    if config.tensorboard:
        found.append(_Guarded("TensorBoard", _TensorBoard(folder / "tensorboard", first_step)))
    if config.wandb is not None:
        found.append(_Guarded("Weights & Biases", _WeightsAndBiases(folder, config.wandb, stored or {})))
    if config.mlflow is not None:
        found.append(_Guarded("MLflow", _MLflow(folder, config.mlflow, stored or {})))
    return found


def scalars(record: dict[str, Any]) -> dict[str, float]:
    """What of a record is drawn: train/LOSS, train_DATASET/LOSS and speed/FIGURE of a step, SPLIT/METRIC of scores; of
    several uses train_USE/LOSS and SPLIT_USE/METRIC."""
    if "metrics" in record:
        return dict(_numbers(record["metrics"], "_".join(filter(None, (record["split"], record.get("use"))))))
    if "losses" not in record:
        return {}
    use = record.get("use")  # losses of several uses are not one curve
    named = {f"train/{name}": value for name, value in record["losses"].items() if use is None or name == "lr"}
    if use is not None:
        named |= {f"train_{use}/{name}": value for name, value in record["losses"].items() if name != "lr"}
        named[f"train_{use}/elements"] = record["elements"]
    elif record["dataset"] is not None:
        own = {name: value for name, value in record["losses"].items() if name not in NO_LOSSES}
        named |= {f"train_{record['dataset']}/{name}": value for name, value in own.items()}
    rest = {name: value for name, value in record.items() if name not in _NOT_DRAWN}
    return named | dict(_numbers(rest, "speed"))


def _numbers(tree: dict[str, Any], path: str) -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    for name, value in tree.items():
        if isinstance(value, dict) and name not in DETAILS:
            found += _numbers(value, f"{path}/{name}")
        elif isinstance(value, int | float) and not isinstance(value, bool) and name not in DETAILS:
            found.append((f"{path}/{name}", float(value)))
    return found


class _Guarded:
    """A tracker whose errors end only itself."""

    def __init__(self, name: str, tracker: Tracker) -> None:
        self._name = name
        self._tracker: Tracker | None = tracker

    def write(self, record: dict[str, Any]) -> None:
        self._try(lambda tracker: tracker.write(record))

    def close(self, failed: bool) -> None:
        self._try(lambda tracker: tracker.close(failed))
        self._tracker = None

    def _try(self, call: Callable[[Tracker], None]) -> None:
        if self._tracker is None:
            return
        try:
            call(self._tracker)
        except Exception as error:
            self._tracker = None
            _logger.warning("%s gets no more of this run: %s: %s", self._name, type(error).__name__, error)


def _drop_lines_from(file: Path, first_step: int) -> None:
    """Keep the lines up to `first_step`: a resumed run writes the later ones again."""
    if not file.is_file():
        return
    kept = []
    for text in file.read_text().splitlines():
        try:
            if json.loads(text)["step"] <= first_step:
                kept.append(text)
        except (json.JSONDecodeError, KeyError, TypeError):
            continue  # a line that a killed run left half written
    aside = file.with_suffix(".tmp")
    aside.write_text("".join(line + "\n" for line in kept))
    os.replace(aside, file)
