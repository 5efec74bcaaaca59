"""`index` says what it will read before it starts, and the rate when it is known."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from shards.cli.app import app
from shards.cli.progress import Progress
from shards.cli.verbs.index_progress import IndexProgress
from shards.dataset.indexing.cost import Cost, Step
from shards.dataset.tars.looks import Looks
from tests.shards.foreign_tars import img2dataset_files, write_tar

TARS = [f"{shard}.tar" for shard in range(3)]


@pytest.fixture
def tars(tmp_path: Path) -> Path:
    for name in TARS:
        write_tar(tmp_path / "cc" / name, img2dataset_files(["a", "b"]))
    return tmp_path / "cc"


def said(*words: object) -> list[str]:
    done = CliRunner().invoke(app, ["index", *map(str, words), "--jobs", "1"])
    assert done.exit_code == 0, done.output
    return done.stderr.splitlines()


def test_the_cost_comes_first_and_the_rate_after_the_first_tar(tars: Path) -> None:
    cost, rate = said(tars)
    size = sum((tars / name).stat().st_size for name in TARS)
    assert cost == f"to read: {size / 1000:.3g} kB of 3 tars"
    assert rate.startswith(f"index: {size / 3000:.3g} kB of {size / 1000:.3g} kB (33%), ") and "B/s, " in rate
    assert rate.endswith(" left")
    write_tar(tars / "3.tar", img2dataset_files(["c"]))
    assert said(tars) == [f"to read: {(tars / '3.tar').stat().st_size / 1000:.3g} kB of 1 tars, 3 tars are known"]
    assert said(tars) == ["to read: nothing, all 4 tars are known"]


def test_an_index_without_media_facts_is_brought_up_to_date_and_that_is_said_first(tars: Path) -> None:
    said(tars, "--no-media")
    again, cost, _ = said(tars)
    assert again == f"the index at {tars} has no media facts: its tars are read again" and cost.startswith("to read: ")
    again, cost, _ = said(tars, "--headers")
    assert "has checksums and has media facts" in again and cost.startswith("to read: the headers in ")


def test_the_requests_are_told_and_nothing_with_json(capsys: pytest.CaptureFixture[str]) -> None:
    for quiet in (False, True):
        progress = Progress("index", None, "bytes")
        shown = IndexProgress(progress, Looks(), 1, quiet)
        shown.on_start(Cost(2, 1, 3_000_000_000, 362, "the index at x has no media facts"))
        shown.on_tar(Step(1, 2, 1_000_000_000, {"has no medium": 5}, ""))
        assert progress.line.startswith("index: 1 GB of 3 GB (33%), ")
        assert progress.line.endswith(" 5 quarantined (has no medium 5)")
        shown.on_tar(Step(2, 2, 3_000_000_000, {"has no medium": 5}, "1.tar: it was cut off"))
        assert progress.line.endswith(" 6 quarantined (has no medium 5, tars left out 1)")
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == [
        "the index at x has no media facts: its tars are read again",
        "to read: 3 GB of 2 tars, 362 requests, 1 tars are known",
    ]
    assert len(lines) == 3
