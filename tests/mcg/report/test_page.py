"""The page of a run shows curves, scores and answers, stands alone, and escapes what comes from data."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from mcg.report.__main__ import main
from mcg.report.page import write_report
from shards.base.errors import UsageError
from shards.cli.page import POLICY
from tests.browser import NEEDS_BROWSER, attacks, browse, is_too_wide, listener


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
        {
            "question": f"what is <b>{n}</b>?",
            "answer": "red",
            "prediction": "red" if n < 10 else "<script>alert(1)</script>",
            "score": n / 100,
            "origin": f"shapes-val/000000.tar:{n}",
        }
        for n in range(30)
    ]
    _lines(run / "evaluation" / "val" / "predictions.jsonl", answers)
    return run


def test_curves_scores_and_answers_are_on_it(run: Path) -> None:
    page = write_report([run]).read_text(encoding="utf-8")
    assert "<td>accuracy.by_type.color</td>" in page and len(re.findall(r"<td>0\.75\s*<br>", page)) == 2
    assert "val, step 2" in page and "0.1 to 0.9" in page
    assert page.count("alert(1)") == 12 and page.count("<b>wrong</b>") == 12 and page.count("<b>right</b>") == 6
    assert "<td>3.000</td>" in page and "<td>1.500</td>" in page and "25.0 %" in page


def test_an_evaluation_stands_before_its_controls(run: Path) -> None:
    for name in ("test/black", "test"):
        _lines(run / "evaluation" / name / "metrics.json", [{"num_scored": 7}])
        _lines(run / "evaluation" / name / "predictions.jsonl", [])
    page = write_report([run]).read_text(encoding="utf-8")
    assert re.findall(r"<th>(val, step 2|val|test[^<]*)</th>", page) == ["val, step 2", "test", "test/black", "val"]


def test_it_stands_alone_and_runs_nothing(run: Path) -> None:
    page = write_report([run], run / "page.html").read_text(encoding="utf-8")
    assert POLICY in page and re.findall(r'(?:src|href)="(?!data:)', page) == []
    assert "<script" not in page and "&lt;script&gt;" in page


def test_a_folder_without_a_step_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no step of a run is there \(log\.jsonl\); name the run_dir"):
        write_report([tmp_path])


def test_the_command_says_where_the_page_is(run: Path) -> None:
    app = typer.Typer()
    app.command()(main)
    done = CliRunner().invoke(app, [str(run)])
    assert (done.exit_code, done.output) == (0, f"{run / 'report.html'}\n")


STARTED = {
    "time": "2026-11-30T12:00:00+00:00",
    "host": "node1",
    "cpu": "AMD EPYC",
    "cores": 2,
    "memory_gib": 24.0,
    "gpus": ["NVIDIA H200"],
    "ranks": 2,
    "python": "3.11.7",
    "versions": {"torch": "2.13.0"},
    "commit": "abcdef012345 with changes",
}


def _add(run: Path, *lines: dict[str, Any]) -> None:
    with (run / "log.jsonl").open("a") as log:
        log.write("".join(json.dumps(line) + "\n" for line in lines))


def test_the_surest_of_the_wrong_answers_stands_first(run: Path) -> None:
    page = write_report([run]).read_text(encoding="utf-8")
    shown = re.findall(r"question: what is &lt;b&gt;(\d+)&lt;/b&gt;", page)
    assert [int(number) for number in shown] == [*range(29, 17, -1), 0, 1, 2, 3, 4, 5]


def test_what_a_run_was_started_with_and_its_config_are_told(run: Path) -> None:
    _add(run, {"step": 0, "started": STARTED, "config": {"optim": {"lr": 0.5}}}, {"step": 1, "changed": {"x": [1, 2]}})
    page = " ".join(write_report([run]).read_text(encoding="utf-8").split())
    assert "node1, AMD EPYC, 2 cores, 24.0 GiB, NVIDIA H200" in page and "abcdef012345 with changes" in page
    assert "Changed from step 1 on: x 1 -&gt; 2" in page and "lr: 0.5" in page


def test_the_mix_of_datasets_and_the_quarantine_are_told(run: Path) -> None:
    _add(run, {**_step(3), "dataset": "webvid", "slowest_stage": "decode"})
    bad = {"dataset": "webvid", "shard": "0.tar", "key": "k", "stage": "decode", "reason": "<b>torn</b>"}
    _lines(run / "quarantine-0.jsonl", [bad] * 5)
    page = " ".join(write_report([run]).read_text(encoding="utf-8").split())
    assert "<td>shapes</td><td>2</td> <td>66.7 %</td>" in page and "<td>webvid</td><td>1</td> <td>33.3 %</td>" in page
    assert "decode 0.1 s" in page and "not told 0.2 s" in page
    assert "<td>webvid</td> <td>decode</td><td>5</td>" in page and page.count("webvid/0.tar:k: &lt;b&gt;torn") == 3


def test_spikes_are_told_with_their_samples(run: Path) -> None:
    spike = {"loss": 9.5, "usual": 2.25, "deviations": 70.0, "dataset": "clips", "origins": ["<a>", "b", "c", "d", "e"]}
    with (run / "log.jsonl").open("a") as file:
        file.write(json.dumps({"step": 2, "rewound_from": 3, "spike": spike}) + "\n")
    text = " ".join(write_report([run]).read_text().split())
    assert "<td>3, and back to step 2</td>" in text and "<td>9.500</td><td>2.250</td>" in text
    assert "<td>&lt;a&gt;, b, c and 2 more</td>" in text


def test_runs_stand_beside_each_other_with_what_differs(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "b" / "run"
    for folder, rate in ((run, 0.5), (other, 0.25)):
        _lines(folder / "log.jsonl", [_step(1), _step(2)])
        _add(folder, {"step": 0, "started": STARTED, "config": {"optim": {"lr": rate}, "seed": 1, "run_dir": "x"}})
    out = write_report([run, other], tmp_path / "both.html")
    page = " ".join(out.read_text(encoding="utf-8").split())
    assert "<h1>2 runs</h1>" in page and "run (1)" in page and "run (2)" in page
    assert "<tr><td>optim.lr</td><td>0.5</td> <td>0.25</td> </tr>" in page and "<td>seed</td>" not in page


def test_a_run_of_an_older_version_has_a_page(run: Path) -> None:
    page = write_report([run]).read_text(encoding="utf-8")
    assert "Traceback" not in page and "Config of run" in page


def test_whether_an_answer_is_right_is_what_its_task_says(run: Path) -> None:
    answers = [
        {"question": "q", "answer": "Red", "prediction": "red", "right": True, "origin": "a/0.tar:0", "score": -1.0},
        {
            "question": "q",
            "answer": "x",
            "prediction": "y",
            "right": False,
            "origin": "a/0.tar:1",
            "scores": [0.1, 0.2],
        },
        {
            "question": "q",
            "answer": "x",
            "prediction": "z",
            "right": False,
            "origin": "a/0.tar:2",
            "scores": [0.7, 0.3],
        },
    ]
    _lines(run / "evaluation" / "val" / "predictions.jsonl", answers)
    page = write_report([run]).read_text(encoding="utf-8")
    assert re.findall(r"<b>(right|wrong)</b>|a/0\.tar:(\d)</p>", page) == [
        ("wrong", ""),
        ("", "2"),
        ("wrong", ""),
        ("", "1"),
        ("right", ""),
        ("", "0"),
    ]


def test_what_is_half_written_or_odd_is_left_out(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    (run / "evaluation" / "test").mkdir()
    (run / "evaluation" / "test" / "metrics.json").write_text('{"accuracy": ')
    _lines(run / "evaluation" / "x" / "metrics.json", [{"a": {"overall": 1, "intervals": [1, 2]}, "b": [1]}])
    _add(run, {"step": 0, "started": {}, "config": {}}, {**_step(3), "seconds": 0.0})
    _lines(run / "quarantine-0.jsonl", [{}])
    with (run / "log.jsonl").open("ab") as log:
        log.write(b'{"step": 4, "dataset": "\xe2\x82')
    page = write_report([run]).read_text(encoding="utf-8")
    assert "test/metrics.json: not shown: " in caplog.text and "a.overall" in page and "<th>test</th>" not in page
    renamed = run.rename(run.with_name("x$\\foo$"))
    assert "<td>x$\\foo$</td>" in write_report([renamed]).read_text(encoding="utf-8")


@NEEDS_BROWSER
def test_a_browser_shows_it_at_a_desk_and_on_a_phone(run: Path, tmp_path: Path) -> None:
    _add(run, {"step": 0, "started": STARTED, "config": {"a_long_name_of_a_setting": "x" * 400}})
    with listener() as (address, asked):
        _lines(run / "quarantine-0.jsonl", [{"dataset": text, "reason": text * 3} for text in attacks(address)])
        page = write_report([run])
        seen = browse(page)
        assert not asked and "<title>Run " in seen and "owned" not in seen.partition("</title>")[0]
    assert not is_too_wide(page, tmp_path, (1200, 900)) and not is_too_wide(page, tmp_path, (390, 800))
    wide = tmp_path / "wide.html"
    wide.write_text("<body style='margin: 1rem'><div style='width: 3000px'>x</div>")
    assert is_too_wide(wide, tmp_path, (390, 800)), "this is how one that is too wide is told"
