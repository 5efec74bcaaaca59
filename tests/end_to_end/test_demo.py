"""The demo does what the README says: it learns to answer questions about clips that it has never seen.

With fewer clips and steps, so that what is learned first, colours, is all that is asked. `make demo` is the real thing,
ten minutes on two cores; what it reaches is in docs/results.md.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from mcg.demo.__main__ import REAL, SHAPES
from tests.servers.s3 import S3Server

ROOT = Path(__file__).parents[2]


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mcg.demo", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def _overrides(settings: Sequence[str]) -> list[str]:
    return [word for setting in settings for word in ("--override", setting)]


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("demo")
    done = call("--run-dir", str(folder), "--clip-share", "0.15", *_overrides(SHORT))
    assert done.returncode == 0, done.stderr[-3000:]
    assert str(folder / "summary.json") in done.stdout and str(folder / "report.html") in done.stdout
    found: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return found


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_it_answers_questions_about_unseen_clips(summary: dict[str, Any]) -> None:
    test = summary["test"]
    assert test["num_scored"] == 180 and test["num_failed"] == 0
    assert test["baseline"]["overall"] <= 0.35
    assert test["accuracy"]["overall"] >= test["baseline"]["overall"] + 0.15
    assert test["accuracy"]["by_type"]["color"] >= 0.6
    assert set(test["accuracy"]["by_type"]) == {"color", "count", "direction", "order", "shape"}


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_the_answers_rest_on_the_picture(summary: dict[str, Any]) -> None:
    test = summary["test"]
    assert set(test["controls"]) == {"black", "shuffled", "reversed", "reversed_says_opposite"}
    assert test["controls"]["black"]["overall"] <= test["baseline"]["overall"] + 0.05


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_nothing_is_lost_on_the_way(summary: dict[str, Any]) -> None:
    assert set(summary["datasets"]) >= {"samples/webvid", "samples/cc3m", "shapes-questions/test"}
    for name, counts in summary["datasets"].items():
        assert counts["rows"] == counts["samples"] + counts["quarantined"], name
    assert summary["pretrain"]["failed"] == summary["finetune"]["failed"] == 0


SHORT = ("schedule.length.steps=200", "log.evaluate_every_steps=200")
SMALL = ("schedule.length.steps=4", "schedule.warmup.steps=2", "log.evaluate_every_steps=4", "data.train.batch_size=8")


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_it_runs_from_a_bucket(rgw: S3Server, use_s3: Callable[..., None], tmp_path: Path) -> None:
    use_s3(rgw)
    demo = [
        "--run-dir",
        str(tmp_path),
        "--data-dir",
        f"s3://{rgw.bucket}/demo/",
        "--clip-share",
        "0.02",
        *_overrides(SMALL),
    ]
    cache = tmp_path / "cache"
    done = call(*demo, "--cache-dir", str(cache))
    assert done.returncode == 0, done.stderr[-3000:]
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert set(summary["datasets"]) == {*REAL, *(f"shapes-{text}/{split}" for text, split in SHAPES)}
    assert summary["pretrain"]["steps"] == summary["finetune"]["steps"] == 4
    assert summary["pretrain"]["failed"] == summary["finetune"]["failed"] == summary["test"]["num_failed"] == 0
    assert (summary["test"]["num_scored"], summary["datasets"]["shapes-questions/test"]["samples"]) == (24, 12)
    assert {file.parent for file in tmp_path.rglob("*.tar")} == {cache}, "no other place of this machine has data"
    again = call(*demo, "--only", "data")
    assert again.returncode == 0 and "tools build" not in again.stderr, "what is in the bucket is not made again"


def test_wrong_keys_of_a_bucket_stop_it_at_once(
    s3_server: S3Server, s3_login: Callable[[str, str], None], tmp_path: Path
) -> None:
    s3_login(s3_server.key, "wrong")
    done = call("--run-dir", str(tmp_path), "--data-dir", f"s3://{s3_server.bucket}/refused")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    told = " ".join(done.stderr.split())
    assert "the demo stopped: s3://bucket/refused/shapes-captions/train: access refused" in told


def test_an_unknown_part_is_refused_with_the_known_ones() -> None:
    done = call("--only", "dessert")
    assert done.returncode == 2
    assert "choose one of data" in done.stderr
