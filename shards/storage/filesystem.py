"""The file system of fsspec for an address."""

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


def open_filesystem(address: str, **options: Any) -> tuple[Any, str]:
    """The fsspec file system of an address and the path inside it; a client of this process, shared with nobody."""
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
    return next((f"{field}={info[field]}" for field in _VERSION_FIELDS if info.get(field)), "")
