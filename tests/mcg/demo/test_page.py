"""The demo's page: it stands alone, shows the numbers it is given, and escapes what comes from data."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from mcg.demo.page import write_page
from mcg.report.run_folder import run_facts
from shards.cli.page import POLICY
from shards.dataset.writing.writer import DatasetWriter
from shards.media.probe import probe
from tests.browser import NEEDS_BROWSER, attacks, browse
from tests.shards.hostile_text import is_safe
from tools.datasets import shapes
from tools.rows import Row


def accuracy(share: float) -> dict[str, Any]:
    return {"overall": share, "by_type": {"color": share}, "counts": {"color": 3}}


def _write_lines(file: Path, lines: list[dict[str, Any]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("report")
    predictions = []
    with DatasetWriter(str(folder / "test"), "shapes") as writer:
        for number, row in enumerate(shapes.rows("test", 3)):
            assert isinstance(row, Row) and row.media is not None
            writer.write(row.key, row.media, row.ext, list(row.records), row.meta, probe(row.media, "clip.mp4"))
            predictions.append(
                {
                    "question": "what color is the <b>circle</b>? \u202e" + " ".join(attacks("http://127.0.0.1:9")),
                    "answer": "red",
                    "prediction": "red" if number else "<script>alert(1)</script>",
                    "type": "color",
                    "id": row.key,
                    "origin": f"shapes-test/000000.tar:{row.key}",
                }
            )
    losses = [{"generation": 3.0 / step, "total": 3.0 / step, "lr": 0.1, "gradient_norm": 1.0} for step in (1, 2)]
    speed = {"seconds": 1.0, "data_wait_share": 0.25, "elements_per_second": 9.0, "failed": 0}
    lines = [{"step": n + 1, "losses": loss} | speed for n, loss in enumerate(losses)]
    run = run_facts(lines)
    summary = {
        "seconds": {"total": 12.0},
        "largest_process_gb": 1.25,
        "datasets": {"shapes/test": {"rows": 4, "samples": 3, "quarantined": 1}},
        "pretrain": run,
        "finetune": run,
        "test": {
            "accuracy": accuracy(0.875),
            "baseline": accuracy(0.25),
            "num_scored": 3,
            "num_failed": 0,
            "controls": {"black": accuracy(0.125), "reversed_says_opposite": 0.5},
        },
    }
    for name in ("pt", "ft"):
        _write_lines(folder / name / "log.jsonl", lines)
    _write_lines(folder / "ft" / "evaluation" / "test" / "predictions.jsonl", predictions)
    write_page(folder / "report.html", summary, str(folder / "test"))
    return (folder / "report.html").read_text(encoding="utf-8")


def test_it_shows_accuracy_beside_baseline_and_controls(page: str) -> None:
    assert [cell for cell in ("0.875", "0.250", "0.125", "50 %") if cell not in page] == []
    assert "<td>4</td><td>3</td>" in page and "<td>1</td></tr>" in page


def test_every_clip_of_the_grid_has_its_frames_and_its_answer(page: str) -> None:
    assert page.count('class="card ') == 18  # three predictions, evenly repeated
    assert len(set(re.findall(r'alt="frames of (\S+)"', page))) == 3
    assert page.count("wrong") > 1


def test_text_from_data_is_escaped(page: str) -> None:
    assert "<script" not in page and "&lt;script&gt;" in page


def test_it_needs_no_other_file(page: str) -> None:
    assert re.findall(r'(?:src|href)="(?!data:)', page) == []


@NEEDS_BROWSER
def test_in_a_browser_it_is_what_it_says_and_no_more(page: str, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(page, encoding="utf-8")
    shown = browse(tmp_path / "report.html")
    assert "<title>Demo report</title>" in shown and POLICY in shown and "<script" not in shown
    tags = set(re.findall(r"<([a-z0-9]+)", shown))
    harmless = "html head meta title style body h1 h2 p b table tbody tr th td img div"
    assert not tags - set(harmless.split())
    assert all(map(is_safe, page.split("\n")))
