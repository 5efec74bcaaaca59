"""Parts of http(s) addresses: what answers there, user and password, the form in which a request sends it."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from shards.base.redact import shown
from shards.storage.addresses import _HOST, WEB, check_address, scheme_of

_DEFAULT_PORTS = {"http": 80, "https": 443}
_URL_CHARACTERS = "!$&'()*+,;=:@/?-._~[]"


class Origin(NamedTuple):
    """What answers at an http(s) address."""

    scheme: str
    host: str
    port: int


def origin_of(address: str) -> Origin:
    """Of an http(s) address. Raises ValueError."""
    check_address(address)
    scheme = scheme_of(address)
    found = _HOST.fullmatch(re.split(r"[/?#]", address.partition("://")[2], maxsplit=1)[0])
    if scheme not in WEB or found is None:
        raise ValueError(f"{shown(address)}: is no http(s) address")
    return Origin(scheme, found[1].lower().rstrip("."), int(found[2] or _DEFAULT_PORTS[scheme]))


def user_of(address: str) -> tuple[str, str] | None:
    """(user, password) of an http(s) address, if it has them."""
    authority = re.split(r"[/?#]", address.partition("://")[2], maxsplit=1)[0]
    user, at, _ = authority.rpartition("@")
    if not at:
        return None
    name, _, password = user.partition(":")
    return unquote_to_bytes(name).decode(errors="replace"), unquote_to_bytes(password).decode(errors="replace")


def without_user(address: str) -> str:
    """The same without user and password."""
    scheme, separator, rest = address.partition("://")
    end = re.search(r"[/?#]|$", rest)
    assert end is not None
    return scheme + separator + rest[: end.start()].rpartition("@")[2] + rest[end.start() :]


def as_sent(address: str) -> str:
    """An http(s) address as it stands in a request: what no URL may hold is quoted, what is quoted stays as it is."""
    scheme, separator, rest = address.partition("://")
    pieces = re.split(r"(%[0-9A-Fa-f]{2})", rest)
    return (
        scheme
        + separator
        + "".join(p if i % 2 else quote(p, safe=_URL_CHARACTERS + "[]") for i, p in enumerate(pieces))
    )
