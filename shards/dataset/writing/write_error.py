"""Turn failures of writing into one error with the path and the remedy."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from shards.base.errors import DatasetError, WriteError
from shards.dataset.writing.claim import Taken
from shards.storage.addresses import is_remote

_REMEDIES = {
    errno.ENOSPC: "the disk is full: free space there",
    errno.EDQUOT: "the quota is used up: free space there",
    errno.EACCES: "no permission: make the folder writable or choose another place",
    errno.EPERM: "no permission: make the folder writable or choose another place",
    errno.EROFS: "the file system is read-only: choose another place",
    errno.ENOTDIR: "a part of the path is a file: choose another place",
    errno.EEXIST: "a file is in the way: remove it or choose another place",
}


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Turn every failure inside the block into a WriteError that names the path and the remedy."""
    again = "then start the same command again: it goes on after the last finished shard"
    try:
        yield
    except (WriteError, DatasetError, Taken, AssertionError):
        raise
    except OSError as error:
        default = "check the address and the credentials" if is_remote(path) else "check the disk"
        remedy = _REMEDIES.get(error.errno or 0, default)
        raise WriteError(
            error.errno, f"{path}: cannot be written ({error.strerror or error}); {remedy}, {again}"
        ) from error
    except Exception as error:
        # Client libraries have exceptions of their own that are no OSError (botocore's NoCredentialsError).
        if not is_remote(path):
            raise
        reason = f"{type(error).__name__}: {error}"
        raise WriteError(
            f"{path}: cannot be written ({reason}); check the address and the credentials, {again}"
        ) from error
