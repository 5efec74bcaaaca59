"""The run's log: a line per step, later lines dropped on resume, nothing from ranks other than 0."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mcg import distributed
from mcg.engine.config import LogConfig
from mcg.engine.record.log import RunLog
from mcg.engine.record.spikes import Spike
from shards import Batch, Origin
from shards.loader.accounting import Accounting
from shards.loader.contention import Contention, Steps
from shards.loader.snapshot import Snapshot
from shards.loader.stats import StepTime
from shards.loader.times import Times

TIMES = {"read": 0.1, "encode": 0.0, "decode": 0.3, "collate": 0.0, "wait": 0.25}
COMPARED = Contention(held=Steps(1, 0.2, 0.04, 0.0), free=Steps(1, 0.25, 0.0625, 0.1))
DATA = Snapshot(
    {stage: Times(8, s) for stage, s in TIMES.items()},
    1,
    Accounting(planned=8, failed=2, failed_attempts=3),
    cpu_seconds=0.1,
    contention=COMPARED,
)
TOOK = StepTime(0.5, DATA)


def _batches(dataset: str | None = "shapes") -> list[Batch]:
    """Those of a step: four clips with texts of 3, 3, 3 and 1 tokens."""
    masks = np.array([[1, 1, 1], [1, 1, 1], [1, 1, 1], [1, 0, 0]])
    arrays = {"text_ids": masks, "text_mask": masks}
    return [Batch(np.zeros(4), arrays, [{}] * 4, [Origin("a", "b", "c")] * 4, np.ones(4, bool), dataset, [])]


def _write(folder: Path, first: int, last: int, total: int = 10) -> None:
    with RunLog(folder, LogConfig(every_steps=2), total, first) as log:
        for step in range(first + 1, last + 1):
            log.step(step, {"total": 1 / step, "lr": 0.1}, TOOK, 8, _batches())


def _lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_a_line_tells_losses_speed_and_waiting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _write(tmp_path, 0, 2)
    line = _lines(tmp_path)[0]
    assert line.pop("host_memory_gib") > 0.01
    assert (line.pop("gpu_memory_gib") is None) is not torch.cuda.is_available()
    assert line == {
        "step": 1,
        "dataset": "shapes",
        "losses": {"total": 1.0, "lr": 0.1},
        "seconds": 0.5,
        "elements_per_second": 16.0,
        "tokens_per_second": 20.0,
        "data_wait_share": 0.5,
        "loader_cpu_seconds": 0.1,
        "loader_lost_share": None,
        "loader_lost_error": None,
        "slowest_stage": "decode",
        "failed": 2,
    }
    (shown,) = capsys.readouterr().err.splitlines()  # one line, though it is longer than any screen
    assert re.fullmatch(
        r"step 2/10  [\d-]{10} [\d:]{8}  eta \d:\d\d:\d\d  total 0\.75  lr 0\.1  16 samples/s  20 tokens/s  "
        r"waiting for data 50% \(decode\)  loader 100 ms CPU, costs 11% ± 0%  "  # held 0.2 s, free 0.25 s
        r"(gpu [\d.]+ GiB  )?host [\d.]+ GiB  quarantined 6",
        shown,
    )


def test_losses_of_several_datasets_are_told_by_dataset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with RunLog(tmp_path, LogConfig(every_steps=3), total_steps=3, first_step=0) as log:
        for step, dataset in enumerate(("webvid", "cc3m", "webvid"), start=1):
            log.step(step, {"total": float(step)}, TOOK, 8, _batches(dataset))
    assert "  total 2  total of cc3m 2  total of webvid 2  " in capsys.readouterr().err


def test_a_config_that_changed_is_told_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _write(tmp_path, 0, 3)
    with RunLog(tmp_path, LogConfig(), 10, first_step=3) as log:
        log.changed(3, {})
        log.changed(3, {"optim.lr": [0.1, 0.2]})
    assert capsys.readouterr().err.endswith("changed from step 3 on: optim.lr 0.1 -> 0.2\n")
    _write(tmp_path, 4, 5)  # goes on once more
    kept = [line for line in _lines(tmp_path) if "losses" not in line]
    assert kept == [{"step": 3, "changed": {"optim.lr": [0.1, 0.2]}}]


def test_every_start_is_kept_with_its_config(tmp_path: Path) -> None:
    for first, rate in ((0, 0.5), (3, 0.25)):
        with RunLog(tmp_path, LogConfig(), 10, first, {"optim": {"lr": rate}}) as log:
            log.started()
    starts = [line for line in _lines(tmp_path) if "started" in line]
    assert [(line["step"], line["config"]["optim"]["lr"]) for line in starts] == [(0, 0.5), (3, 0.25)]
    assert all(line["started"]["ranks"] == 1 and line["started"]["host"] for line in starts)


def test_the_screen_tells_the_mean_of_the_steps_since_its_last_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held = StepTime(0.3, replace(DATA, cpu_seconds=0.0))
    with RunLog(tmp_path, LogConfig(every_steps=2), total_steps=10, first_step=0) as log:
        for step, took in enumerate((TOOK, held, TOOK, TOOK), start=1):
            log.step(step, {"total": 1.0}, took, 8, _batches())
    first, second = (" ".join(part.split()) for part in capsys.readouterr().err.split("step 4/10"))
    assert "20 samples/s" in first and "loader 50 ms CPU" in first  # 16 elements in 0.8 s
    assert "16 samples/s" in second and "loader 100 ms CPU" in second


def test_what_the_loader_costs_is_that_of_all_steps_so_far(tmp_path: Path) -> None:
    _write(tmp_path, 0, 3)
    lines = _lines(tmp_path)
    assert [line["loader_lost_share"] for line in lines] == [None, 0.1111, 0.1111]
    assert all(line["loader_lost_error"] in (None, 0.0) for line in lines)


def test_a_resumed_run_drops_the_lines_that_it_writes_again(tmp_path: Path) -> None:
    _write(tmp_path, 0, 5)
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": 6, "los')  # killed while writing
    _write(tmp_path, 3, 7)
    assert [line["step"] for line in _lines(tmp_path)] == [1, 2, 3, 4, 5, 6, 7]


def test_a_run_from_scratch_starts_a_new_log(tmp_path: Path) -> None:
    _write(tmp_path, 0, 5)
    _write(tmp_path, 0, 1)
    assert [line["step"] for line in _lines(tmp_path)] == [1]


def test_scores_have_a_line_of_their_own(tmp_path: Path) -> None:
    with RunLog(tmp_path, LogConfig(), 10, 0) as log:
        log.scores(4, "val", {"accuracy": 0.5})
    assert _lines(tmp_path) == [{"step": 4, "split": "val", "metrics": {"accuracy": 0.5}}]


def test_what_a_run_says_is_not_markup(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with RunLog(tmp_path, LogConfig(), 10, 0) as log:
        log.say("from [bold]runs/[a]")
    assert "from [bold]runs/[a]" in capsys.readouterr().err


def test_a_screen_that_is_gone_does_not_end_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    screen = os.fdopen(writing, "w", buffering=1)
    monkeypatch.setattr("sys.stderr", screen)
    with RunLog(tmp_path, LogConfig(), total_steps=3, first_step=0) as log:
        log.say("read")
        os.close(reading)
        log.say("lost")
        log.say("not tried again")
    assert _lines(tmp_path) == [{"step": 0, "screen": "is gone (broken pipe); nothing more is shown"}]
    monkeypatch.undo()
    with pytest.raises(BrokenPipeError):
        screen.close()  # what was lost is still in its buffer


def test_tensorboard_events_are_written_where_asked_for(tmp_path: Path) -> None:
    with RunLog(tmp_path, LogConfig(tensorboard=True), 10, 0) as log:
        log.step(1, {"total": 1.0}, TOOK, 8, _batches(None))
    assert list((tmp_path / "tensorboard").glob("events*"))


def test_loader_statistics_of_the_run_so_far_are_left_for_prometheus(tmp_path: Path) -> None:
    file = tmp_path / "loader.prom"
    with RunLog(tmp_path, LogConfig(every_steps=2, prometheus=str(file)), 10, 0) as log:
        for step in range(1, 4):
            log.step(step, {"total": 1.0}, TOOK, 8, _batches(None))
    assert 'shards_loader_batches_total{rank="0"} 2\n' in file.read_text()


def test_other_ranks_write_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "rank", lambda: 1)
    _write(tmp_path, 0, 3)
    with RunLog(tmp_path, LogConfig(), 10, 0) as log:
        log.say("hello")
        log.scores(1, "val", {})
    assert not list(tmp_path.iterdir())


def test_a_run_that_went_back_logs_the_steps_since_then_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spike = Spike(9.0, 2.0, 70.0, "shapes", ["a", "b"])
    with RunLog(tmp_path, LogConfig(), 10, 0) as log:
        for step in (1, 2, 3):
            log.step(step, {"total": 1.0}, TOOK, 8, _batches())
        log.spike(3, spike)
        log.rewound(1, 3, spike)
        log.step(2, {"total": 1.0}, TOOK, 8, _batches())
    assert [line["step"] for line in _lines(tmp_path) if "losses" in line] == [1, 2]
    (kept,) = [line for line in _lines(tmp_path) if "spike" in line]
    assert (kept["step"], kept["rewound_from"], kept["spike"]["origins"]) == (1, 3, ["a", "b"])
    said = capsys.readouterr().err
    assert "spike at step 3: the loss is 9, usual are 2; its batch: a, b\n" in said
    assert "went back to step 1, and on with the data after the spike\n" in said
