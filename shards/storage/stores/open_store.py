"""Opens the store that answers at an address."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from shards.storage.addresses import checked, scheme_of
from shards.storage.stores.fsspec_store import AnyStore
from shards.storage.stores.store import WAITS, Store, Waits
from shards.storage.stores.web_address import WEB


def open_store(
    address: str, roots: Sequence[str] = (), waits: Waits = WAITS
) -> tuple[Store, asyncio.AbstractEventLoop]:
    """(store, event loop that its coroutines run on) for this process. roots: places that a web server may redirect to.

    Raises AddressError, and SourceError for what fsspec cannot open.
    """
    from fsspec.asyn import get_loop

    address = checked(address)
    scheme = scheme_of(address)
    if scheme in WEB:
        from shards.storage.stores.http import WebStore

        return WebStore(address, roots, waits), get_loop()
    if scheme in ("s3", "s3a"):
        from shards.storage.stores.s3 import S3Store

        return S3Store(address, waits), get_loop()
    return AnyStore(address), get_loop()
