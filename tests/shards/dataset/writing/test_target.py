"""Files appear whole, at a place that one process writes; what goes wrong names path and remedy."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shards.dataset.writing.open_target import open_target
from shards.dataset.writing.target import UNFINISHED, Target


@pytest.fixture(params=["local", "file", "memory"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    place = str(tmp_path / "out")
    return open_target({"local": place, "file": f"file://{place}", "memory": f"memory://{place}"}[request.param])


def test_what_is_put_or_produced_is_listed_and_read(target: Target) -> None:
    target.put("a.json", b"{}")
    with target.produce("b.bin") as path:
        Path(path).write_bytes(b"bytes")
    assert target.list() == ["a.json", "b.bin"] and target.source.read("b.bin") == b"bytes"
    target.release()


def test_a_staged_file_appears_when_it_is_published(target: Target) -> None:
    with target.stage("a.bin") as staged:
        Path(staged).write_bytes(b"new")
    assert "a.bin" not in target.list()
    target.publish(staged, "a.bin")
    assert target.list() == ["a.bin"] and not os.path.exists(staged)
    target.release()


def test_unfinished_work_is_apart_and_can_be_cleared(target: Target) -> None:
    target.put(f"{UNFINISHED}/work.json", b"{}")
    with target.produce(f"{UNFINISHED}/0.parquet") as path:
        Path(path).write_bytes(b"part")
    assert target.list() == [] and target.list_unfinished() == ["0.parquet", "work.json"]
    target.clear()
    assert target.list_unfinished() == []
    target.release()
