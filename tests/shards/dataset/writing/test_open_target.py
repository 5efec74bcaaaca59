"""The place of a dataset is opened by its address."""

from pathlib import Path

import pytest

from shards.base.errors import AddressError
from shards.dataset.writing.local_target import LocalTarget
from shards.dataset.writing.open_target import open_target
from shards.dataset.writing.remote_target import RemoteTarget


def test_a_path_and_a_file_address_are_local(tmp_path: Path) -> None:
    for place in (str(tmp_path), tmp_path.as_uri()):
        target = open_target(place)
        assert isinstance(target, LocalTarget) and target.url == str(tmp_path)
        target.release()


def test_an_address_of_a_store_is_remote() -> None:
    target = open_target("memory://opened/x")
    assert isinstance(target, RemoteTarget) and target.url == "memory://opened/x"
    target.release()


def test_an_address_that_nobody_knows_is_refused() -> None:
    with pytest.raises(AddressError, match="no kind of URL begins with nowhere"):
        open_target("nowhere://x")
