"""A store that only fsspec knows: what its file system raises or leaves out becomes an error with the address."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from shards.base.errors import AccessDenied, MissingFile, SourceError
from shards.storage.remote import RemoteSource
from tests.shards.http_store import HURRY


class StatusError(Exception):
    """What a client library raises for an answer of its server."""

    def __init__(self, status: int) -> None:
        super().__init__("the server said no")
        self.status = status


class BadAuth(Exception):
    """What a client library raises for credentials that it cannot use."""


@pytest.fixture
def source(tmp_path: Path) -> Iterator[RemoteSource]:
    memory = fsspec.filesystem("memory")
    memory.pipe_file(f"/{tmp_path.name}/a.tar", b"0123456789")
    memory.pipe_file(f"/{tmp_path.name}/folder/inner", b"x")
    yield RemoteSource(f"memory://{tmp_path.name}", waits=HURRY)


def test_gives_ranges_and_the_names_of_files_only(source: RemoteSource) -> None:
    assert source.list() == ["a.tar"] and source.stat("a.tar").size == 10
    assert source.read("a.tar", 2, 3) == b"234" and source.read("a.tar", -3) == b"789"
    assert source.read("a.tar", 8, 5) == b"89" and source.read("a.tar", 10, 5) == b""


def test_a_folder_is_no_file(source: RemoteSource) -> None:
    with pytest.raises(MissingFile, match=r"folder: not found \(it is a folder\)"):
        source.stat("folder")


@pytest.mark.parametrize(
    ("raised", "kind", "match"),
    [
        (FileNotFoundError("x"), MissingFile, "not found; check the path"),
        (PermissionError("x"), AccessDenied, r"access refused \(PermissionError: x\); check the credentials and the"),
        (StatusError(403), AccessDenied, r"access refused \(StatusError: the server said no\); check the credentials"),
        (StatusError(404), MissingFile, "not found"),
        (BadAuth("x"), AccessDenied, r"access refused \(BadAuth: x\)"),
        (KeyError("x"), SourceError, "KeyError: 'x'; check the credentials and the address"),
    ],
)
def test_what_a_client_library_raises_is_said_at_once(
    source: RemoteSource, monkeypatch: pytest.MonkeyPatch, raised: Exception, kind: type[SourceError], match: str
) -> None:
    def fail(*arguments: Any, **options: Any) -> None:
        raise raised

    monkeypatch.setattr(MemoryFileSystem, "info", fail)
    with pytest.raises(kind, match=rf"^memory://.*/a\.tar: {match}") as error:
        source.stat("a.tar")
    assert type(error.value) is kind and source.traffic.snapshot()["stat"] == 1


def test_a_file_of_unknown_size_is_refused(source: RemoteSource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryFileSystem, "info", lambda *arguments, **options: {"type": "file", "size": None})
    with pytest.raises(
        SourceError, match=r"a\.tar: the server does not say how large it is; byte ranges cannot be read"
    ):
        source.stat("a.tar")


def test_a_short_answer_is_asked_for_again(source: RemoteSource, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = MemoryFileSystem.cat_file
    answers = iter([b"23"])

    def cut(self: Any, *arguments: Any, **options: Any) -> bytes:
        return next(answers, None) or whole(self, *arguments, **options)

    monkeypatch.setattr(MemoryFileSystem, "cat_file", cut)
    assert source.read("a.tar", 2, 3) == b"234" and source.traffic.snapshot()["retries"] == 1
