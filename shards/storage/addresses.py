"""Addresses: which kinds there are, and how the name of a file is added to one.

An address is a path of this machine, a file:// URL, or the URL of a store. Promises: nothing but the schemes of
`STORES` is opened; fsspec knows many more, of which some read files of this machine, chain others or run code. In
file:// and http(s):// addresses what the user wrote is quoted as URLs are, and a name is quoted exactly once, whatever
it holds; in all others names stand as they are. The query of an http(s) address (a signature) belongs to every name
below it.
"""

from __future__ import annotations

import os
import re
from urllib.parse import quote, unquote_to_bytes

from shards.base.errors import AddressError
from shards.base.redact import shown
from shards.storage.stores.web_address import WEB, authority_of, origin_of

STORES = (
    *("s3", "http", "https", "gs", "abfs", "hf", "oss", "sftp", "hdfs", "webhdfs", "memory"),
    *("s3a", "gcs", "az", "abfss"),
)
"""The schemes that are opened; those behind the first three, but for memory, need a package of their own."""
_BUCKETS = ("s3", "s3a", "gs", "gcs")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9_+.-]*)(://|::)")


def scheme_of(address: str) -> str:
    """The scheme of an address in small letters; "" for a path."""
    found = _SCHEME.match(address)
    return found[1].lower() if found else ""


def is_remote(address: str) -> bool:
    """True if an address needs a client; False for a path on a file system of this machine."""
    return scheme_of(address) not in ("", "file")


def local_path(address: str) -> str:
    """The path of an address that is not remote. Raises ValueError for a file:// URL that has none."""
    if scheme_of(address) != "file":
        return address
    host, slash, path = address.partition("://")[2].partition("/")
    if host not in ("", "localhost") or not slash:
        raise ValueError(f"{shown(address)}: a file:// address is file:// and an absolute path, as in file:///data/x")
    return os.fsdecode(unquote_to_bytes(f"/{path}"))


def check_address(address: str) -> None:
    """Refuse an address that leads nowhere (ValueError)."""
    scheme = scheme_of(address)
    if "\0" in address:
        raise ValueError(f"{address[:200]!r}: has a NUL byte; correct it")
    if scheme in ("", "file"):
        local_path(address)
        return
    found = _SCHEME.match(address)
    if found is not None and found[2] == "::":
        raise ValueError(
            f"{shown(address)}: chained addresses ({scheme}::) are not opened; name the place itself, and let cache: "
            "of a config keep copies"
        )
    if scheme not in STORES:
        raise ValueError(
            f"{shown(address)}: no kind of URL begins with {scheme}://; known are {', '.join(STORES)} and file, and a "
            "folder of this machine is a plain path"
        )
    if scheme in WEB:
        origin_of(address)
    authority = authority_of(address)
    if scheme in _BUCKETS and re.search("[@:]", authority) and not authority.startswith("arn:"):
        raise ValueError(
            f"{shown(address)}: credentials do not belong into the address of a bucket, where they are not used; take "
            "them out, and see docs/streaming.md for the environment variables that hold them"
        )


def split_query(address: str) -> tuple[str, str]:
    """(address without, query) of an http(s) address; of any other the query is "". A fragment is dropped."""
    if scheme_of(address) not in WEB:
        return address, ""
    base, _, query = address.partition("#")[0].partition("?")
    return base, query


def below(address: str, name: str) -> str:
    """The address of the file `name` in the folder at an address."""
    base, query = split_query(address)
    quoted = quote(name, safe="") if scheme_of(address) in (*WEB, "file") else name
    return f"{base.rstrip('/')}/{quoted}" + (f"?{query}" if query else "")


def parent(address: str) -> tuple[str, str]:
    """(address of the folder, plain name in it) of a file's address."""
    if not is_remote(address):
        path = local_path(address)
        folder, slash, name = path.rpartition("/")
        return folder or ("/" if slash else "."), name
    base, query = split_query(address)
    folder, _, name = base.rpartition("/")
    return folder + (f"?{query}" if query else ""), plain_name(address, name)


def plain_name(address: str, name: str) -> str:
    """The name of a file that addresses like this one write as `name`."""
    return os.fsdecode(unquote_to_bytes(name)) if scheme_of(address) in WEB else name


def checked(address: str) -> str:
    """An address in its normal form. Raises AddressError."""
    try:
        check_address(address)
    except ValueError as error:
        raise AddressError(str(error)) from None
    return _normal(address)


def _normal(address: str) -> str:
    """An address with its scheme in small letters."""
    found = _SCHEME.match(address)
    return address if found is None else found[1].lower() + address[found.end(1) :]
