"""The parts of http(s) addresses: what answers there, user and password, and the form in which a request sends them."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from shards.base.redact import shown

WEB = ("http", "https")
_HOST = re.compile(r"(?:[^@]*@)?(\[[0-9A-Fa-f:.]+\]|[^@:\[\]]+)(?::(\d{1,5}))?")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_URL_CHARACTERS = "!$&'()*+,;=:@/?-._~[]"


class _Origin(NamedTuple):
    """The server that answers at an address."""

    scheme: str
    host: str
    port: int


def origin_of(address: str) -> _Origin:
    """The server that answers at an http(s) address. Raises ValueError for an address that names none."""
    scheme = address.partition("://")[0].lower()
    if scheme not in WEB:
        raise ValueError(f"{shown(address)}: is no http(s) address")
    found = _HOST.fullmatch(authority_of(address))
    if found is None:
        raise ValueError(
            f"{shown(address)}: has no host, or a user or password that is not quoted (@ as %40, / as %2F, : as %3A)"
        )
    port = int(found[2] or _DEFAULT_PORTS[scheme])
    if port not in range(1, 1 << 16):
        raise ValueError(f"{shown(address)}: port {found[2]} is none; ports are 1 to 65535")
    return _Origin(scheme, found[1].lower().rstrip("."), port)


def authority_of(address: str) -> str:
    """The text between :// and the path of an address: user, host and port."""
    return re.split(r"[/?#]", address.partition("://")[2], maxsplit=1)[0]


def user_of(address: str) -> tuple[str, str] | None:
    """(user, password) of an http(s) address, if it has them."""
    user, at, _ = authority_of(address).rpartition("@")
    if not at:
        return None
    name, _, password = user.partition(":")
    return unquote_to_bytes(name).decode(errors="replace"), unquote_to_bytes(password).decode(errors="replace")


def without_user(address: str) -> str:
    """An address without its user and password."""
    scheme, separator, rest = address.partition("://")
    authority = authority_of(address)
    return scheme + separator + authority.rpartition("@")[2] + rest[len(authority) :]


def as_sent(address: str) -> str:
    """An http(s) address as it stands in a request: what no URL may hold is quoted, what is quoted stays as it is."""
    scheme, separator, rest = address.partition("://")
    pieces = re.split(r"(%[0-9A-Fa-f]{2})", rest)
    quoted = (piece if i % 2 else quote(piece, safe=_URL_CHARACTERS) for i, piece in enumerate(pieces))
    return scheme + separator + "".join(quoted)
