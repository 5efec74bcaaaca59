"""Every kind of store gives the bytes of a file, whatever its name holds."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from shards.storage.addresses import below
from shards.storage.open import open_source
from tests.shards.http_store import HttpStore


@pytest.mark.parametrize("name", ["50%25off.tar", "a b.tar", "a?b=c.tar", "a#b.tar", "ü.tar", "a%2Fb.tar", "x;y=z.tar"])
def test_a_name_is_found_in_every_kind_of_store(tmp_path: Path, name: str) -> None:
    import fsspec

    (tmp_path / name).write_bytes(b"0123")
    fsspec.filesystem("memory").pipe(f"/odd/{name}", b"0123")
    with HttpStore().running() as store:
        store.files[urlsplit(below(store.url, name)).path] = b"0123"
        for place in (str(tmp_path), f"file://{tmp_path}", "memory://odd", store.url, f"{store.url}?sig=a/b=="):
            assert open_source(place).read(name, 1, 2) == b"12" and open_source(place).stat(name).size == 4
        assert store.requests[-1][1].endswith("?sig=a/b==")
