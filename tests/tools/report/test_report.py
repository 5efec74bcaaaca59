"""A report is a folder that tells what a dataset holds, and replaces nothing but a report."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from shards.base import UsageError
from shards.cli import open_dataset, show_progress
from shards.dataset import DatasetWriter
from tests.shards.small_dataset import write_dataset
from tools.report.report import report_dataset


def report(folder: Path | str, out: Path, **options: Any) -> Any:
    with show_progress("report", None, "samples") as progress:
        return report_dataset(open_dataset(str(folder)), out, progress=progress, **options)


def test_a_report_tells_what_the_dataset_holds(clips: Path, tmp_path: Path) -> None:
    made = report(clips, tmp_path / "r")
    page = (tmp_path / "r/index.html").read_text()
    assert (made.num_samples, made.num_shown, made.num_listed, made.bad) == (4, 4, 4, [])
    assert {path.name for path in (tmp_path / "r").iterdir()} == {
        *("index.html", "page.js", "cards", "rows", "media", "croissant.json")
    }
    assert len(list((tmp_path / "r/media").glob("*.mp4"))) == 4
    for text in ("video hevc", "640x360", "results_2M_train.csv", "Nothing was left out", "Words of a caption"):
        assert text in page
    assert len(page) < 100_000


def test_the_same_seed_gives_the_same_report(many: Path, tmp_path: Path) -> None:
    for name in "ab":
        report(many, tmp_path / name, samples=30, seed=3, jobs=2)
    files = [{p.relative_to(tmp_path / name): p.read_bytes() for p in (tmp_path / name).rglob("*.*")} for name in "ab"]
    assert files[0] == files[1] and len(list((tmp_path / "a/cards").iterdir())) == 2


def test_an_earlier_report_is_replaced_and_nothing_else(many: Path, tmp_path: Path) -> None:
    report(many, tmp_path / "r", samples=30)
    report(many, tmp_path / "r", samples=2)
    assert len(list((tmp_path / "r/media").iterdir())) == 2
    (tmp_path / "r/thesis.tex").write_text("mine")
    with pytest.raises(UsageError, match=r"holds 'thesis\.tex', which is of no report"):
        report(many, tmp_path / "r")
    assert (tmp_path / "r/thesis.tex").read_text() == "mine" and (tmp_path / "r/index.html").is_file()


def test_what_cannot_be_shown_is_counted_and_told(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "d", "d", 10, broken=[1])
    made = report(folder, tmp_path / "r")
    assert len(made.bad) == 1 and made.bad[0].startswith("000000.tar:0001: ")
    assert "1 cannot be shown" in (tmp_path / "r/index.html").read_text()


def test_empty_and_distant_datasets_have_reports(many: Path, tmp_path: Path) -> None:
    DatasetWriter(tmp_path / "e", "empty").close()
    assert report(tmp_path / "e", tmp_path / "r").num_shown == 0
    import fsspec

    files = fsspec.filesystem("memory")
    files.put(f"{many}/", "memory://report-of/many/", recursive=True)
    try:
        assert report("memory://report-of/many", tmp_path / "far", samples=3).num_shown == 3
    finally:
        files.rm("/report-of", recursive=True)


def test_quarantine_and_licence_are_told(many: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(many, tmp_path / "d")
    about = json.loads((folder / "dataset.json").read_text())
    about |= {"num_quarantined": 2, "licence": "for research only", "provenance": {"tool": "x", "a": {"b": 1}}}
    (folder / "dataset.json").write_text(json.dumps(about))
    lines = [{"record": f"line {n}", "reason": f"no usable text: a.csv line {n}: empty"} for n in (3, 5)]
    (folder / "quarantine.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    report(folder, tmp_path / "r", samples=1)
    page = (tmp_path / "r/index.html").read_text()
    for text in ("2 of 62 left out (3.2 %)", "no usable text", "a.csv line 5: empty", "for research only", "a, b"):
        assert text in page
