"""Runs: every sample has a row; engines, kills and stores give the same bytes; what is refused is told."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from shards.base.engines import processes, threads
from shards.base.errors import ConversionError
from shards.base.ray_engine import ray_cluster
from shards.dataset.writing.writer import DatasetWriter
from shards.select.exclusion import read_exclusions
from tests.shards.small_dataset import FACTS, picture
from tests.tools.scores.graded import scoring, write_graded
from tests.tools.watching import watch
from tools.rows import OptionError
from tools.scores import work
from tools.scores.score import score

ROOT = Path(__file__).resolve().parents[3]
SCORERS = ("brightness", "motion")


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_graded(tmp_path_factory.mktemp("score") / "graded")


def fail(frames: Any, records: Any, facts: Any) -> float:
    raise ValueError("never")


def dim(frames: np.ndarray, records: Any, facts: Any) -> float | str:
    return "dark" if frames.mean() < 35 else 1.0


def test_every_sample_has_a_row_and_failures_are_an_exclusion_list(graded: Path, tmp_path: Path) -> None:
    out = tmp_path / "side.parquet"
    report = score(scoring(graded, *SCORERS), str(out))
    assert (report.num_rows, report.num_scored, report.num_failed, report.failed) == (11, 10, 1, {"decode": 1})
    assert report.columns == {"brightness": "float", "motion": "float"} and json.dumps(report.to_dict())
    table = pq.read_table(out)
    assert table["key"].to_pylist() == [*(f"p{number}" for number in range(9)), "clip", "bad"]
    assert table["shard"].to_pylist()[3:5] == ["000000.tar", "000001.tar"]
    assert table["brightness"].to_pylist()[:9] == pytest.approx([10 * number / 255 for number in range(9)], abs=1e-4)
    assert table["motion"].to_pylist()[9] > 0 and table["motion"].to_pylist()[10] is None
    said = json.loads((graded / "dataset.json").read_text())
    assert json.loads(table.schema.metadata[b"side_of"]) == {"dataset": "graded", "fingerprint": said["fingerprint"]}
    listed = Path(f"{out}.quarantine.jsonl")
    line = json.loads(listed.read_text())
    assert (line["shard"], line["key"], line["stage"]) == ("000002.tar", "bad", "decode")
    assert read_exclusions([str(listed)], "graded").shards == ["000002.tar"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["side.parquet", "side.parquet.quarantine.jsonl"]

    before = out.read_bytes()
    again = score(scoring(graded, *SCORERS), str(out))
    assert again.finished_before and (again.num_rows, again.num_failed, again.failed) == (11, 1, {"decode": 1})
    assert again.columns == report.columns and out.read_bytes() == before


def test_threads_and_small_chunks_give_the_same_bytes(
    graded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score(scoring(graded, *SCORERS), str(tmp_path / "a.parquet"), engine=threads(1))
    monkeypatch.setattr(work, "CHUNK", 3)
    score(scoring(graded, *SCORERS), str(tmp_path / "b.parquet"), engine=threads(3))
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


@pytest.mark.long  # processes of their own
def test_processes_give_the_same_bytes(graded: Path, tmp_path: Path) -> None:
    for name, engine in (("a", threads(1)), ("b", processes(2))):
        score(scoring(graded, *SCORERS), str(tmp_path / f"{name}.parquet"), engine=engine)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


@pytest.mark.long  # a cluster of its own
def test_a_ray_cluster_gives_the_same_bytes(graded: Path, tmp_path: Path, ray_address: str) -> None:
    score(scoring(graded, *SCORERS), str(tmp_path / "a.parquet"), engine=threads(1))
    with ray_cluster(ray_address) as engine:
        score(scoring(graded, *SCORERS), str(tmp_path / "b.parquet"), engine=engine)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


KILLED = """
import os, signal, sys
sys.path.insert(0, {root!r})
from pathlib import Path
from shards.base.engines import threads
from tests.tools.scores.graded import scoring
from tests.tools.watching import watch
from tools.scores import score, work
work.CHUNK = 2
def look(done, bad):
    if done >= {stop}:
        os.kill(os.getpid(), signal.SIGKILL)
score.score(scoring({graded!r}, "brightness", "motion"), {out!r}, engine=threads(2), progress=watch(look))
"""


@pytest.mark.long  # processes of their own
def test_a_run_that_is_killed_goes_on_and_gives_the_same_bytes(
    graded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "CHUNK", 2)
    score(scoring(graded, *SCORERS), str(tmp_path / "whole.parquet"))
    out = tmp_path / "killed.parquet"
    for stop in (3, 7):
        script = KILLED.format(root=str(ROOT), graded=str(graded), out=str(out), stop=stop)
        done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=250)
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert not out.exists()
    with open(tmp_path / ".killed.parquet.journal", "ab") as journal:
        journal.write(b'{"shard": 2, "first": 2, "ro')
    seen: list[int] = []
    report = score(scoring(graded, *SCORERS), str(out), progress=watch(lambda done, bad: seen.append(done)))
    assert report.num_resumed >= 6 and seen[0] == report.num_resumed and report.num_rows == seen[-1] == 11
    for end in ("", ".quarantine.jsonl"):
        assert Path(f"{out}{end}").read_bytes() == (tmp_path / f"whole.parquet{end}").read_bytes()
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.long  # the server takes seconds to start
def test_a_dataset_in_s3_gives_the_same_bytes(graded: Path, tmp_path: Path, s3_server: Any, use_s3: Any) -> None:
    use_s3(s3_server)
    for path in graded.iterdir():
        s3_server.client().upload_file(str(path), s3_server.bucket, f"graded/{path.name}")
    for place, out in ((str(graded), "here"), (f"s3://{s3_server.bucket}/graded", "there")):
        score(scoring(place, *SCORERS), str(tmp_path / f"{out}.parquet"))
    assert (tmp_path / "here.parquet").read_bytes() == (tmp_path / "there.parquet").read_bytes()


def test_what_is_there_of_another_run_is_refused(graded: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "x.parquet")
    score(scoring(graded, "brightness"), out)
    with pytest.raises(OptionError, match=r"is there already and was made with other settings \(scorers .*motion"):
        score(scoring(graded, "motion"), out)
    with pytest.raises(OptionError, match=r"frames 4, now 5\); choose another --out"):
        score(scoring(graded, "brightness", num_frames=5), out)
    other = write_graded(tmp_path / "other", num_pictures=3)
    with pytest.raises(OptionError, match=r"fingerprint '\w+', now"):
        score(scoring(other, "brightness"), out)
    Path(out).write_bytes(b"mine")
    with pytest.raises(OptionError, match="was not written by this command"):
        score(scoring(graded, "brightness"), out)
    assert Path(out).read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("out", "reason"),
    [
        ("s3://bucket/x.parquet", "a side table is written to a local file"),
        ("x.csv", r"should end with \.parquet"),
        ("nowhere/x.parquet", "there is no folder .*nowhere; make it first"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused(graded: Path, tmp_path: Path, out: str, reason: str) -> None:
    with pytest.raises(OptionError, match=reason):
        score(scoring(graded, "blur"), out if "://" in out else str(tmp_path / out))


def test_a_scorer_that_never_works_stops_the_run_early(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "many", "many", samples_per_shard=200) as writer:
        for number in range(200):
            writer.write(f"p{number}", picture(number), "png", [{"caption": "x"}], {}, FACTS)
    name = f"{__name__}:fail"
    with pytest.raises(
        ConversionError, match=r"fails on each of the first 128 samples, the last time with: ValueError: never"
    ):
        score(scoring(tmp_path / "many", name), str(tmp_path / "x.parquet"))
    few = write_graded(tmp_path / "few", 2)
    with pytest.raises(
        ConversionError, match=r"no sample has a value, so nothing is written; the first: 000000.tar:p0"
    ):
        score(scoring(few, name), str(tmp_path / "y.parquet"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["few", "many"]


def test_values_that_do_not_go_together_and_empty_datasets_are_told(graded: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ConversionError, match=r"column dim: p4 gives a value of type float, samples before it gave str"
    ):
        score(scoring(graded, f"{__name__}:dim"), str(tmp_path / "x.parquet"))
    with DatasetWriter(tmp_path / "none", "none"):
        pass
    with pytest.raises(ConversionError, match="holds no samples; there is nothing to score"):
        score(scoring(tmp_path / "none", "blur"), str(tmp_path / "y.parquet"))
