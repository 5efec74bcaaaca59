"""Fixtures of the storage tests: an HTTP store with one file, tars of another tool, the commands of shards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from shards.cli.app import app
from shards.storage.remote import RemoteSource
from tests.shards.foreign_tars import img2dataset_files, write_tar
from tests.shards.http_store import HURRY, HttpStore

DATA = bytes(range(256)) * 8


@pytest.fixture
def store() -> Iterator[HttpStore]:
    with HttpStore().running() as store:
        store.files["/data/a.tar"] = DATA
        store.files["/data/empty"] = b""
        yield store


def source_at(store: HttpStore, deadline: float | None = None, **waits: float) -> RemoteSource:
    """A source of the folder of `store`; deadline: of RemoteSource, waits: other than those of HURRY."""
    return RemoteSource(f"{store.url}/data", deadline, waits=HURRY._replace(**waits))


@pytest.fixture
def tars(tmp_path: Path) -> Path:
    folder = tmp_path / "tars"
    folder.mkdir()
    for shard in ("50%25off.tar", "a b.tar"):
        write_tar(folder / shard, img2dataset_files([f"{shard[0]}{i}" for i in range(3)]))
    return folder


@pytest.fixture
def run() -> Callable[..., Result]:
    def invoke(*words: object) -> Result:
        return CliRunner().invoke(app, [str(word) for word in words])

    return invoke
