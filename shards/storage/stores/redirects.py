"""Redirects that a web server may make: within its own host and port, or into a place that the user has named.

A redirect is text from a server, so it must not lead to files of this machine, to other services of its network, or
take a password to another host.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urldefrag, urljoin

from shards.base.redact import shown
from shards.storage.addresses import check_address, scheme_of
from shards.storage.roots import covers
from shards.storage.stores.request_failed import RequestFailed
from shards.storage.stores.web_address import WEB, origin_of, without_user


def redirected(address: str, location: str, roots: Sequence[str] = ()) -> str:
    """The address to ask instead, with the user and password that belong there. Raises RequestFailed.

    address: the one that was asked. location: the header of its answer. roots: the places that the user has named.
    """
    target = location
    try:
        target = without_user(urldefrag(urljoin(without_user(address), location.strip())).url)
        check_address(target)
        here, there = origin_of(address), origin_of(target)
    except ValueError:
        what = f"the server redirects to {shown(target)}, where nothing is read"
        raise RequestFailed("refused", what, "use another server") from None
    is_safer = (here.scheme, here.port, there.scheme, there.port) == ("http", 80, "https", 443)
    if here == there or (here.host == there.host and is_safer):
        return _with_user_of(address, target)
    named = next((root for root in roots if scheme_of(root) in WEB and covers(root, target)), None)
    if named is None:
        place = f"{there.scheme}://{there.host}:{there.port}"
        raise RequestFailed(
            "refused",
            f"the server redirects to another host ({place})",
            f"if that is right, name it: roots: [{place}] in the dataset's config, or --root {place}",
        )
    return _with_user_of(named, target)


def _with_user_of(address: str, target: str) -> str:
    """An address with user and password of another one."""
    whole = address.partition("://")[2]
    credentials = whole[: len(whole) - len(without_user(address).partition("://")[2])]
    scheme, separator, rest = target.partition("://")
    return scheme + separator + credentials + rest
