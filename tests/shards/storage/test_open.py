"""From an address to its source: every spelling that is allowed, and a name for what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from shards.base.errors import SourceError
from shards.storage.addresses import STORES, below
from shards.storage.open import open_source
from shards.storage.stores.web_address import as_sent


def test_an_unknown_protocol_is_named() -> None:
    with pytest.raises(SourceError, match="nosuch://x"):
        open_source("nosuch://x/y").list()


@pytest.mark.parametrize("scheme", STORES)
def test_what_is_allowed_is_opened_when_it_is_used_in_any_spelling(scheme: str) -> None:
    assert open_source(f"{scheme.upper()}://host/x/").url == f"{scheme}://host/x"


def test_a_path_is_a_path_whatever_it_holds(tmp_path: Path) -> None:
    for name in ("a::b", "50%25off", "x?y#z", "a b", "ü", "http:"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "50%25.tar").write_bytes(b"abc")
        for address in (str(folder), below(f"file://{tmp_path}", name), f"FILE://{as_sent(str(tmp_path))}/{name}"):
            if "%" in name and address.startswith("FILE"):
                continue
            assert open_source(address).read("50%25.tar", 0, 2) == b"ab", address
