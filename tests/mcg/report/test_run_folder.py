"""A run's folder is read as it is: half-written lines, older versions, intervals at the right numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mcg.report.run_folder import Number, numbers, read_lines, read_run
from shards.base.errors import UsageError

STEP: dict[str, Any] = {"step": 1, "losses": {"total": 1.0}, "seconds": 2.0, "data_wait_share": 0.25, "failed": 0}


def test_intervals_belong_to_their_numbers() -> None:
    metrics = {
        "accuracy": {
            "overall": 0.5,
            "interval": [0.4, 0.6],
            "by_type": {"how": 0.25, "why": 0.75},
            "by_group": {"causal": 0.5},
            "counts": {"how": 4},
            "intervals": {"how": [0.1, 0.4], "causal": [0.3, 0.7]},
        },
        "num_scored": 8,
        "name": "x",
    }
    assert dict(numbers(metrics)) == {
        "accuracy.overall": Number(0.5, (0.4, 0.6)),
        "accuracy.by_type.how": Number(0.25, (0.1, 0.4)),
        "accuracy.by_type.why": Number(0.75),
        "accuracy.by_group.causal": Number(0.5, (0.3, 0.7)),
        "num_scored": Number(8),
    }


def test_a_line_that_is_being_written_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text(json.dumps(STEP) + '\n{"step": 2, "los')
    assert read_lines(tmp_path / "log.jsonl") == [STEP]


def test_waiting_is_told_by_stage_and_losses_by_dataset(tmp_path: Path) -> None:
    lines = [
        {**STEP, "slowest_stage": "read", "dataset": "a"},
        {**STEP, "slowest_stage": "decode", "dataset": "b", "seconds": 4.0, "losses": {"total": 3.0}},
        {**STEP, "slowest_stage": "read", "dataset": "a", "losses": {"total": 0.5}},
    ]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    run = read_run(tmp_path)
    assert run.waits() == {"read": 1.0, "decode": 1.0}
    assert run.mix() == {"a": (2, 1.0, 0.5), "b": (1, 3.0, 3.0)}
    assert run.config == {} and run.starts == [] and run.datasets() == {}


def test_the_datasets_are_those_of_the_last_start(tmp_path: Path) -> None:
    config = {"data": {"train": {"blend": [{"name": "a", "path": "/a"}]}, "val": None}}
    lines = [{"step": 0, "started": {"host": "x"}, "config": {}}, {"step": 0, "started": {}, "config": config}, STEP]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    run = read_run(tmp_path)
    assert run.datasets() == {"a": "/a"} and run.starts == [{"step": 0, "host": "x"}, {"step": 0}]


def test_a_folder_without_a_step_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no step of a run is there \(log\.jsonl\)"):
        read_run(tmp_path)


def test_the_datasets_of_all_uses_are_known(tmp_path: Path) -> None:
    uses = {
        "captions": {"train": {"blend": [{"name": "a", "path": "/a"}]}, "weight": 2, "val": None},
        "qa": {"train": {"blend": [{"name": "b", "path": "/b"}]}, "val": {"blend": [{"name": "b-val", "path": "/v"}]}},
    }
    start = {"started": {"step": 0}, "config": {"data": None, "uses": uses}}
    (tmp_path / "log.jsonl").write_text(json.dumps(start) + "\n" + json.dumps(STEP) + "\n")
    assert read_run(tmp_path).datasets() == {"a": "/a", "b": "/b", "b-val": "/v"}
