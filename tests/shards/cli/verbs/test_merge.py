"""`python -m shards merge` as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from shards.dataset.indexing.indexer import index_tars
from shards.dataset.tars.looks import Looks
from tests.shards.foreign_tars import img2dataset_files, write_tar

ROOT = Path(__file__).resolve().parents[4]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "shards", "merge", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=250)


def test_parts_become_one_index(tmp_path: Path) -> None:
    parts = []
    for shard in range(2):
        tar = write_tar(tmp_path / "cc" / f"{shard}.tar", img2dataset_files(["a", "b"]))
        parts.append(index_tars(str(tar), str(tmp_path / f"part{shard}")).out)
    done = run(tmp_path / "cc", *parts, "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["num_samples"] == 4
    done = run(tmp_path / "out", parts[0], tmp_path / "nowhere")
    assert done.returncode == 2 and "nowhere/dataset.json: not found" in done.stderr and "Traceback" not in done.stderr
    done = run(tmp_path / "out", parts[0], tmp_path / "nowhere", "--debug")
    assert done.returncode == 2 and "WrongPlace" in done.stderr and "Traceback" in done.stderr


def test_what_a_script_is_told_when_parts_are_wrong(tmp_path: Path) -> None:
    for folder, keys in (("a", ["x"]), ("b", ["x", "y"])):
        write_tar(tmp_path / "cc" / "0.tar", img2dataset_files(keys))
        index_tars(str(tmp_path / "cc"), str(tmp_path / folder))
    done = run(tmp_path / "out", tmp_path / "a", tmp_path / "b")
    assert done.returncode == 1 and "b: differs from another part about 0.tar" in done.stderr
    index_tars(str(tmp_path / "cc"), str(tmp_path / "headers"), looks=Looks(checksums=False))
    done = run(tmp_path / "out", tmp_path / "b", tmp_path / "headers")
    assert done.returncode == 2 and "headers: checksums is False" in done.stderr
    (tmp_path / "a" / "shards.parquet").write_bytes(b"PAR1")
    done = run(tmp_path / "out", tmp_path / "a", tmp_path / "b")
    assert done.returncode == 1 and "shards.parquet or index.parquet is damaged" in done.stderr
