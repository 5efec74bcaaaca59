"""Which store answers for an address."""

from __future__ import annotations

import pytest

from shards.base.errors import AddressError
from shards.storage.stores.fsspec_store import AnyStore
from shards.storage.stores.http import WebStore
from shards.storage.stores.open_store import open_store
from shards.storage.stores.s3 import S3Store


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("s3://bucket/x", S3Store),
        ("S3A://bucket/x", S3Store),
        ("http://host/x", WebStore),
        ("https://host/x?sig=1", WebStore),
        ("memory://x", AnyStore),
    ],
)
def test_the_scheme_of_an_address_says_which_store_answers(address: str, kind: type) -> None:
    store, loop = open_store(address)
    assert isinstance(store, kind) and loop.is_running()


def test_an_address_that_leads_nowhere_is_refused() -> None:
    with pytest.raises(AddressError, match=r"s4://x: no kind of URL begins with s4://"):
        open_store("s4://x")
