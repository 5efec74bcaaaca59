"""What the verbs do alike: help with an example, datasets without samples, damaged indexes, pipes, and quick starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from shards.dataset.indexing.indexer import index_tars
from shards.dataset.tars.looks import Looks
from shards.loader.config import DatasetConfig, LoaderConfig
from shards.loader.loader import Loader
from tests.shards.foreign_tars import write_tar
from tests.shards.small_dataset import encode

ROOT = Path(__file__).resolve().parents[3]
VERBS = ("verify", "ls", "stats", "preview", "bench")


@pytest.mark.parametrize("verb", [*VERBS, "index", "merge"])
def test_help_teaches_with_an_example(run: Callable[..., Result], verb: str) -> None:
    result = run(verb, "--help")
    assert result.exit_code == 0
    assert f"python -m shards {verb} data/" in result.stdout and "Exit codes:" in result.stdout
    assert "--json" in result.stdout and "--debug" in result.stdout


def test_the_help_of_all_says_the_exit_codes(run: Callable[..., Result]) -> None:
    shown = run("--help").stdout
    assert "0 done, 1 problems in the data, the machine or a store, 2 wrong usage, 3 a bug of ours" in shown
    assert "--install-completion" in shown


@pytest.mark.parametrize("looks", [Looks(media=True), Looks(checksums=False)])
def test_an_index_of_no_samples_works_in_every_verb(run: Callable[..., Result], tmp_path: Path, looks: Looks) -> None:
    for shard in range(2):
        write_tar(tmp_path / "d" / f"{shard}.tar", [("a.jpg", b"x")])
    report = index_tars(str(tmp_path / "d"), looks=looks)
    assert (report.num_samples, report.num_quarantined) == (0, 2)
    for options in (["ls"], ["ls", "--records", "--lines"], ["verify"], ["verify", "--quick"], ["stats"]):
        assert run(*options, tmp_path / "d").exit_code == 0, options
    for verb in ("preview", "bench"):
        done = run(verb, tmp_path / "d")
        assert done.exit_code == 2 and done.stderr.count("\n") == 1
        assert "has no samples" in done.stderr and "2 are quarantined, quarantine.jsonl there says why" in done.stderr
    index_tars(str(tmp_path / "d"), str(tmp_path / "part"), looks=looks)
    assert run("merge", tmp_path / "whole", tmp_path / "part").exit_code == 1  # all samples are quarantined
    assert run("verify", tmp_path / "whole").exit_code == 0
    config = LoaderConfig(blend=(DatasetConfig(name="d", path=str(tmp_path / "d"), elements="sample"),), batch_size=1)
    with pytest.raises(ValueError, match=r"has no elements \(2 shards\); build it again \(quarantine.jsonl"):
        Loader(config, rank=0, world_size=1, encode=encode)


@pytest.mark.parametrize("verb", VERBS)
def test_a_damaged_index_is_a_problem_of_the_data(run: Callable[..., Result], dataset: Path, verb: str) -> None:
    with open(dataset / "index.parquet", "r+b") as file:
        file.truncate(500)
    result = run(verb, dataset)
    assert result.exit_code == 1 and not result.stdout
    assert result.stderr.startswith("error: ") and "index.parquet is damaged" in result.stderr
    assert result.stderr.count("\n") == 1


def test_the_verbs_run_as_a_process_and_load_no_torch(dataset: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "shards", "stats", str(dataset), "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["num_samples"] == 8
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "pyarrow" in loaded and not loaded & {"torch", "av", "PIL", "jinja2"}


def test_a_reader_that_goes_away_ends_the_listing_quietly(dataset: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "shards", "ls", str(dataset), "--lines"]
    done = subprocess.run(command, cwd=ROOT, stdout=write, stderr=subprocess.PIPE, text=True, timeout=250)
    os.close(write)
    assert done.returncode == 1 and "Traceback" not in done.stderr
