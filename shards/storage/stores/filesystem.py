"""The file system of fsspec for an address, and the versions that file systems and servers give their files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shards.base.errors import SourceError
from shards.base.redact import scrub, shown
from shards.storage.addresses import checked, scheme_of

_VERSION_FIELDS = (
    "ETag",
    "etag",
    "md5Hash",
    "LastModified",
    "Last-Modified",
    "last_modified",
    "mtime",
    "updated",
    "created",
)
"""The fields that tell two contents of one name apart, the most reliable first."""


def open_filesystem(address: str, **options: Any) -> tuple[Any, str]:
    """(file system, path inside it) of an address; the client is this process's own, shared with no other source.

    Raises AddressError, and SourceError for what fsspec cannot open.
    """
    import fsspec

    address = checked(address)
    scheme = scheme_of(address)
    try:
        # Not fsspec's own way from a URL, which reads "::" inside a name as a chain of file systems.
        kind = fsspec.get_filesystem_class(scheme)
        options = {"use_listings_cache": False, **kind._get_kwargs_from_urls(address), **options}
        files = kind(skip_instance_cache=True, **options)
        prefix: str = kind._strip_protocol(address)
    except ImportError as error:
        raise SourceError(f"{shown(address)}: {scheme}:// needs a package that is not installed ({error})") from error
    except ValueError as error:
        reason = scrub(str(error), address)
        raise SourceError(f"{shown(address)}: not an address that can be opened ({reason})") from error
    return files, prefix.rstrip("/")


def version_of(info: Mapping[str, Any]) -> str:
    """The version of a file as `Stat` has it, from what a store says about it; "" where it says nothing."""
    return next((f"{field}={info[field]}" for field in _VERSION_FIELDS if info.get(field)), "")
