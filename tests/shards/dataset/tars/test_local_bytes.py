"""A local tar is read once, and must not get shorter."""

from __future__ import annotations

from pathlib import Path

import pytest

from shards.dataset.tars.looks import Looks
from shards.dataset.tars.tar import scan
from shards.dataset.tars.tar_header import TarError
from shards.dataset.tars.tar_samples import read_samples
from tests.shards.foreign_tars import write_tar


def test_a_tar_that_shrinks_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", [("a.jpg", b"x" * 5000), ("a.txt", b"x")])
    members = scan(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(TarError, match="byte 2000: the file got shorter while it was read"):
        read_samples(members, str(path), Looks())
