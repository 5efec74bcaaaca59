"""The seal of an index: the user who made it needs to name no root, others do."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result


def test_an_index_made_here_is_used_without_more(
    tars: Path, tmp_path: Path, run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    index = tmp_path / "index"
    assert run("index", tars, "--out", index).exit_code == 0
    assert os.stat(tmp_path / "state" / "mcg-streams" / "index.key").st_mode & 0o777 == 0o600
    moved = index.rename(tmp_path / "moved")
    for words in (["verify"], ["ls", "--records"], ["stats"]):
        assert run(words[0], moved, *words[1:]).exit_code == 0
    assert run("merge", tmp_path / "merged", moved).exit_code == 0 and run("verify", tmp_path / "merged").exit_code == 0
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another user"))
    for words in (["verify", moved], ["merge", tmp_path / "laundered", moved]):
        result = run(*words)
        assert result.exit_code == 1 and "make it again by the same command" in result.stderr
        assert run(*words, "--root", tars).exit_code == 0


def test_a_key_that_others_may_read_or_that_is_a_link_is_not_trusted(
    tars: Path, tmp_path: Path, run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    key = tmp_path / "state" / "mcg-streams" / "index.key"
    assert run("index", tars, "--out", tmp_path / "index").exit_code == 0
    os.chmod(key, 0o644)
    assert run("ls", tmp_path / "index").exit_code == 1
    os.chmod(key, 0o600)
    key.rename(tmp_path / "moved.key")
    key.symlink_to(tmp_path / "moved.key")
    assert run("ls", tmp_path / "index").exit_code == 1
    assert (
        run("index", tars, "--out", tmp_path / "index").exit_code == 0 and run("ls", tmp_path / "index").exit_code == 0
    )
    assert not key.is_symlink() and (tmp_path / "moved.key").stat().st_size == 32


def test_an_index_is_made_also_where_no_key_can_be_kept(
    tars: Path,
    tmp_path: Path,
    run: Callable[..., Result],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert run("index", tars, "--out", tmp_path / "index").exit_code == 0
    assert f"the index is read with --root {tars}" in caplog.text
    assert run("verify", tmp_path / "index", "--root", tars).exit_code == 0
