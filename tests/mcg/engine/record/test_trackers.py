"""Trackers get the records of a run; one that fails ends only itself, one that cannot begin is refused."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mcg.engine.config import LogConfig
from mcg.engine.record.trackers import TrackerError, open_trackers, scalars

STEP: dict[str, Any] = {
    "step": 3,
    "dataset": "webvid",
    "losses": {"total": 2.0, "lr": 0.1},
    "seconds": 0.5,
    "data_wait_share": 0.25,
    "loader_lost_share": None,
    "slowest_stage": "decode",
    "failed": 2,
}
SCORES: dict[str, Any] = {
    "step": 3,
    "split": "val",
    "metrics": {"accuracy": 0.5, "by_type": {"how": {"accuracy": 0.25, "interval": [0, 1]}}, "name": "x"},
}
CHANGED = {"step": 3, "changed": {"optim.lr": [1, 2]}}


def test_losses_are_drawn_by_name_and_by_dataset_and_scores_by_split() -> None:
    assert scalars(STEP) == {
        "train/total": 2.0,
        "train/lr": 0.1,
        "train_webvid/total": 2.0,
        "speed/data_wait_share": 0.25,
        "speed/failed": 2.0,
    }
    assert scalars({**STEP, "dataset": None}).keys() == {*scalars(STEP)} - {"train_webvid/total"}
    assert scalars(SCORES) == {"val/accuracy": 0.5, "val/by_type/how/accuracy": 0.25}
    assert scalars(CHANGED) == {}


def test_tensorboard_has_training_and_validation(tmp_path: Path) -> None:
    trackers = open_trackers(tmp_path, LogConfig(tensorboard=True), 0)
    for tracker in trackers:
        for record in (STEP, SCORES, CHANGED):
            tracker.write(record)
        tracker.close(failed=False)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert set(events.Tags()["scalars"]) == {*scalars(STEP), *scalars(SCORES)}
    assert [(event.step, event.value) for event in events.Scalars("val/accuracy")] == [(3, 0.5)]
    assert [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()] == [STEP, SCORES, CHANGED]


class _Wandb(ModuleType):
    """What of wandb is used."""

    def __init__(self, fails: str | None) -> None:
        super().__init__("wandb")
        self.fails = fails
        self.inits: list[dict[str, Any]] = []
        self.logged: list[tuple[dict[str, float], int]] = []

    def Settings(self, **settings: Any) -> dict[str, Any]:
        return settings

    def init(self, **options: Any) -> Any:
        if self.fails == "init":
            raise ConnectionError("api.wandb.ai:\n no route")
        self.inits.append(options)
        return SimpleNamespace(log=self._log, finish=lambda exit_code: None)

    def _log(self, values: dict[str, float], step: int) -> None:
        if self.fails == "log":
            raise ConnectionError("gone")
        self.logged.append((values, step))


@pytest.fixture(params=[None])
def wandb(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> _Wandb:
    module = _Wandb(request.param)
    monkeypatch.setitem(sys.modules, "wandb", module)
    return module


def test_a_run_that_goes_on_is_the_same_run_of_weights_and_biases(tmp_path: Path, wandb: _Wandb) -> None:
    for _ in range(2):
        for tracker in open_trackers(tmp_path, LogConfig(wandb="mcg"), 0, {"seed": 1}):
            tracker.write(STEP)
            tracker.close(failed=False)
    first, second = wandb.inits
    assert first["id"] == second["id"] == (tmp_path / "wandb_id").read_text().strip()
    assert wandb.inits[0]["project"] == "mcg" and wandb.inits[0]["config"] == {"seed": 1}
    assert wandb.logged == [(scalars(STEP), 3)] * 2


@pytest.mark.parametrize("wandb", ["log"], indirect=True)
def test_a_tracker_that_fails_is_left_and_the_run_goes_on(
    tmp_path: Path, wandb: _Wandb, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for tracker in open_trackers(tmp_path, LogConfig(wandb="mcg"), 0):
            tracker.write(STEP)
            tracker.write(SCORES)
            tracker.close(failed=False)
    assert caplog.text.count("Weights & Biases gets no more of this run: ConnectionError: gone") == 1
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize("wandb", ["init"], indirect=True)
def test_a_tracker_that_cannot_begin_is_refused_with_the_remedy(tmp_path: Path, wandb: _Wandb) -> None:
    with pytest.raises(TrackerError, match=r"cannot be reached or refuses: api.wandb.ai:.*WANDB_MODE=offline"):
        open_trackers(tmp_path, LogConfig(wandb="mcg"), 0)


@pytest.mark.parametrize(("module", "package"), [("wandb", "wandb"), ("mlflow", "mlflow-skinny")])
def test_a_tracker_that_is_not_installed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    message = f"log.{module}: 'mcg' is asked for, and {module} is not installed: pip install {package}"
    with pytest.raises(TrackerError, match=message):
        open_trackers(tmp_path, LogConfig.model_validate({module: "mcg"}), 0)


def test_the_real_weights_and_biases_writes_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))
    for tracker in open_trackers(tmp_path, LogConfig(wandb="mcg"), 0, {"seed": 1}):
        tracker.write(STEP)
        tracker.write(SCORES)
        tracker.close(failed=False)
    (written,) = (tmp_path / "wandb").glob("offline-run-*/run-*.wandb")
    assert b"val/accuracy" in written.read_bytes()


def test_the_real_mlflow_writes_files_and_goes_on_in_the_same_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    client = mlflow.MlflowClient((tmp_path / "mlruns").as_uri())
    for record, status in ((STEP, "FAILED"), ({**SCORES, "step": 4}, "FINISHED")):
        for tracker in open_trackers(tmp_path, LogConfig(mlflow="mcg"), 0, {"seed": 1}):
            tracker.write(record)
            tracker.close(failed=status == "FAILED")
        (run,) = client.search_runs([client.get_experiment_by_name("mcg").experiment_id])
        assert run.info.status == status
    assert run.info.run_id == (tmp_path / "mlflow_id").read_text().strip()
    assert run.data.metrics == {**scalars(STEP), **scalars(SCORES)}
    assert [(m.value, m.step) for m in client.get_metric_history(run.info.run_id, "val/accuracy")] == [(0.5, 4)]
    (config,) = (tmp_path / "mlruns").rglob("config.json")
    assert json.loads(config.read_text()) == {"seed": 1}


def test_a_server_of_mlflow_that_is_away_is_told_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://someone:s3cret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrackerError, match=r"cannot be reached or refuses: .*MLFLOW_TRACKING_URI") as told:
        open_trackers(tmp_path, LogConfig(mlflow="mcg"), 0)
    assert "s3cret" not in str(told.value)
