"""`python -m tools score`: its report, its list, wrong usage and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.tools.commands.command_line import invoke
from tests.tools.scores.graded import write_graded

SMALL = ("--frames", "2", "--size", "32")


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_graded(tmp_path_factory.mktemp("score") / "graded", 3)


def test_the_report_has_counts_columns_and_reasons(graded: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.parquet"
    done = invoke("score", graded, "--scorer", "brightness", "--scorer", "blur", "--out", out, *SMALL)
    assert done.exit_code == 0, done.stderr
    for word in ("with all values", "column brightness", "decode", "failed (all in", "000001.tar:bad"):
        assert word in done.stdout
    told = json.loads(
        invoke("score", graded, "--scorer", "brightness", "--scorer", "blur", "--out", out, *SMALL, "--json").stdout
    )
    assert told["finished_before"] and (told["num_rows"], told["num_failed"], told["num_scored"]) == (5, 1, 4)
    strict = invoke(
        "score", graded, "--scorer", "blur", "--out", tmp_path / "y.parquet", *SMALL, "--max-quarantined", "0"
    )
    assert strict.exit_code == 1 and "1 samples failed, --max-quarantined allows 0" in strict.stderr


def test_the_list_names_every_scorer() -> None:
    shown = invoke("score", "--list").stdout
    assert all(name in shown for name in ("brightness", "motion", "blur", "text_area", "clip", "module:function"))
    assert "mean luma" in json.loads(invoke("score", "--list", "--json").stdout)["brightness"]


def test_wrong_usage_is_told_in_one_line(graded: Path, tmp_path: Path) -> None:
    def told(*arguments: str | Path) -> str:
        result = invoke("score", *arguments)
        assert result.exit_code == 2, result.output
        return result.stderr

    out = ("--out", tmp_path / "x.parquet")
    assert "give DATASET and --out" in told(graded)
    assert "give at least one --scorer" in told(graded, *out)
    assert "did you mean motion?" in told(graded, "--scorer", "moton", *out)
    assert "is no folder" in told(graded, "--scorer", "clip", "--checkpoint", tmp_path / "no", *out)
    assert "cannot be imported" in told(graded, "--scorer", "no_such_x:f", *out)
    assert "--engine rays: no such engine" in told(graded, "--scorer", "blur", "--engine", "rays", *out)
    assert "no dataset was built here" in told(tmp_path, "--scorer", "blur", *out)
    assert not list(tmp_path.iterdir())
