"""Opens the source at an address."""

from __future__ import annotations

import os
from collections.abc import Sequence

from shards.storage.addresses import checked, is_remote, local_path
from shards.storage.local import LocalSource
from shards.storage.source import Source


def open_source(address: str | os.PathLike[str], roots: Sequence[str] = ()) -> Source:
    """Open a folder path, a file:// URL, or the URL prefix of a store. It opens nothing yet. Raises AddressError.

    Failed remote requests are retried for 300 seconds each, or MCG_SOURCE_DEADLINE seconds. roots: further addresses
    that an http(s) server may redirect to.
    """
    text = checked(os.fspath(address))
    if is_remote(text):
        from shards.storage.remote import RemoteSource

        return RemoteSource(text, roots=tuple(roots))
    return LocalSource(local_path(text))
