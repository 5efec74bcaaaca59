"""From an address to the store that answers for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from shards.storage.addresses import WEB, checked, scheme_of
from shards.storage.fsspec_store import AnyStore
from shards.storage.stores import WAITS, Store, Waits


def open_store(
    address: str, roots: Sequence[str] = (), waits: Waits = WAITS
) -> tuple[Store, asyncio.AbstractEventLoop]:
    """A client for this process, and the loop it runs on. roots: where an http(s) server may redirect to.

    Raises SourceError for addresses that lead nowhere.
    """
    from fsspec.asyn import get_loop

    address = checked(address)
    scheme = scheme_of(address)
    if scheme in WEB:
        from shards.storage.http import WebStore

        return WebStore(address, roots, waits), get_loop()
    if scheme in ("s3", "s3a"):
        from shards.storage.s3 import S3Store

        return S3Store(address, waits), get_loop()
    return AnyStore(address), get_loop()
