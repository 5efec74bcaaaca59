"""The page of a run shows curves, scores and answers, stands alone, and escapes what comes from data."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from mcg.report import main, write_report
from shards.base.errors import UsageError
from shards.cli.page import POLICY


def _lines(file: Path, lines: list[dict[str, Any]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))


def _step(number: int) -> dict[str, Any]:
    losses = {"generation": 3.0 / number, "total": 3.0 / number, "lr": 0.1, "gradient_norm": 1.0}
    speed = {"seconds": 0.5, "elements_per_second": 8.0, "data_wait_share": 0.25, "failed": 0}
    return {"step": number, "dataset": "shapes", "losses": losses, **speed}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of two steps that was scored on val on the way and at the end."""
    run = tmp_path / "run"
    metrics = {"accuracy": {"overall": 0.75, "by_type": {"color": 0.5}, "interval": [0.1, 0.9]}, "num_scored": 30}
    _lines(run / "log.jsonl", [_step(1), _step(2), {"step": 2, "split": "val", "metrics": metrics}])
    _lines(run / "evaluation" / "val" / "metrics.json", [metrics])
    answers = [
        {"question": f"what is <b>{n}</b>?", "answer": "red", "prediction": "<script>alert(1)</script>", "score": 1}
        for n in range(30)
    ]
    _lines(run / "evaluation" / "val" / "predictions.jsonl", answers)
    return run


def test_curves_scores_and_answers_are_on_it(run: Path) -> None:
    page = write_report(run).read_text(encoding="utf-8")
    assert "<td>accuracy.by_type.color</td>" in page and page.count("<td>0.75</td>") == 2
    assert "val, step 2" in page and "interval" not in page
    assert page.count("alert(1)") == 20 and "<th>question</th><th>answer</th><th>prediction</th></tr>" in page
    assert "<td>3.000</td>" in page and "<td>1.500</td>" in page and "25.0 %" in page


def test_an_evaluation_stands_before_its_controls(run: Path) -> None:
    for name in ("test/black", "test"):
        _lines(run / "evaluation" / name / "metrics.json", [{"num_scored": 7}])
        _lines(run / "evaluation" / name / "predictions.jsonl", [])
    page = write_report(run).read_text(encoding="utf-8")
    assert re.findall(r"<th>(val, step 2|val|test[^<]*)</th>", page) == ["val, step 2", "test", "test/black", "val"]


def test_it_stands_alone_and_runs_nothing(run: Path) -> None:
    page = write_report(run, run / "page.html").read_text(encoding="utf-8")
    assert POLICY in page and re.findall(r'(?:src|href)="(?!data:)', page) == []
    assert "<script" not in page and "&lt;script&gt;" in page


def test_a_folder_without_a_step_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no step of a run is there \(log\.jsonl\); name the run_dir"):
        write_report(tmp_path)


def test_the_command_says_where_the_page_is(run: Path) -> None:
    app = typer.Typer()
    app.command()(main)
    done = CliRunner().invoke(app, [str(run)])
    assert (done.exit_code, done.output) == (0, f"{run / 'report.html'}\n")
