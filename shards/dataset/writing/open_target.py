"""Open the place where a dataset is written."""

from __future__ import annotations

from shards.dataset.writing.local_target import LocalTarget
from shards.dataset.writing.remote_target import RemoteTarget
from shards.dataset.writing.target import Target
from shards.storage.addresses import checked, is_remote, local_path


def open_target(url: str) -> Target:
    """Open a folder path, a file:// URL, or the URL prefix of a store, for writing. Raises AddressError."""
    address = checked(url)
    return RemoteTarget(address) if is_remote(address) else LocalTarget(local_path(address))
