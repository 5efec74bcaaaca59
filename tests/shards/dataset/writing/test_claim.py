"""One run at a time writes at a prefix of a store, and one that died does not block it for ever."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest

from shards.base.errors import WriteError
from shards.dataset.writing.claim import DEAD_SECONDS, Claim, Taken
from shards.dataset.writing.open_target import open_target
from shards.dataset.writing.target import UNFINISHED


@pytest.fixture(params=["memory", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path, s3_server: Any, use_s3: Callable[..., None]) -> str:
    use_s3(s3_server)
    return f"memory://claim{tmp_path}" if request.param == "memory" else f"s3://{s3_server.bucket}/claim{tmp_path.name}"


def claim_at(url: str) -> tuple[Any, str]:
    files, path = fsspec.core.url_to_fs(f"{url}/{UNFINISHED}/claim.json", skip_instance_cache=True)
    return files, path


def test_a_second_run_is_told_of_the_first(url: str) -> None:
    first, second = open_target(url), open_target(url)
    first.put("a", b"1")
    with pytest.raises(WriteError, match=rf"another run is at work there \(process {os.getpid()} on .*wait for it"):
        second.put("b", b"2")
    with pytest.raises(WriteError, match="another run is at work there"):
        second.clear()
    assert first.list_unfinished() == []
    first.clear()
    first.put("c", b"3")
    first.release()
    second.put("b", b"2")
    second.release()
    files, path = claim_at(url)
    assert not files.exists(path) and open_target(url).list() == ["a", "b", "c"]


def test_the_claim_of_a_process_that_is_gone_from_this_machine_is_taken_over(url: str) -> None:
    files, path = claim_at(url)
    Claim(files, path)
    held = json.loads(files.cat_file(path))
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    files.pipe_file(path, json.dumps({**held, "run": "x", "pid": gone.pid, "began": "1"}).encode())
    target = open_target(url)
    target.put("a", b"1")
    target.release()


@pytest.mark.parametrize("content", [b"", b"[1]", b"{}", b"not json"])
def test_a_claim_that_says_nothing_blocks_nobody(url: str, content: bytes) -> None:
    files, path = claim_at(url)
    files.pipe_file(path, content)
    target = open_target(url)
    target.put("a", b"1")
    target.release()


def test_the_claim_of_another_machine_is_dead_when_it_is_not_renewed(url: str) -> None:
    files, path = claim_at(url)
    about = {"run": "x", "machine": "another", "host": "node7", "pid": 1, "began": "1"}
    files.pipe_file(path, json.dumps({**about, "renewed": time.time() - DEAD_SECONDS + 100}).encode())
    with pytest.raises(Taken, match=r"process 1 on node7, last heard of 50\d s ago"):
        Claim(files, path)
    files.pipe_file(path, json.dumps({**about, "renewed": time.time() - DEAD_SECONDS - 1}).encode())
    Claim(files, path).release()
    assert not files.exists(path)


class _Away:
    """Files of a store that answers no more, once it is told so."""

    def __init__(self, files: Any) -> None:
        self._files = files
        self.is_away = False
        self.asked = threading.Semaphore(0)

    def __getattr__(self, name: str) -> Any:
        if self.is_away:
            self.asked.release()
            raise OSError("nobody answers")
        return getattr(self._files, name)


def test_a_claim_that_cannot_be_renewed_is_told_of_and_tried_again(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    files, path = claim_at(f"memory://claim{tmp_path}")
    away = _Away(files)
    claim = Claim(away, path, renew_seconds=0.01)
    away.is_away = True
    for _ in range(2):  # with the second one the first was told of
        assert away.asked.acquire(timeout=60)
    assert "could not be renewed (nobody answers); it is tried again" in caplog.text
    away.is_away = False
    claim.check()
    claim.release()
