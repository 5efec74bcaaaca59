"""Which addresses are asked: http and https of public hosts, because the addresses come from data.

Promises: no file of this machine, no other scheme, and no host whose address is private, local or reserved (127.0.0.1,
10.0.0.1, 169.254.169.254, ::1 and the like, however they are spelled, and names that resolve to them) is ever asked, in
a given address or in a redirect; but for hosts that the user names. What a name resolves to is checked where the
connection is made, so a name cannot change its meaning between check and use.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from tools.fetch.failures import REFUSED, FetchFailed

if TYPE_CHECKING:
    from aiohttp.abc import AbstractResolver
    from yarl import URL

_LONGEST = 8192


def check_address(url: str, named: Collection[str] = ()) -> URL:
    """The address as it is asked. named: hosts that may be private. Raises FetchFailed."""
    from yarl import URL

    if len(url) > _LONGEST or any(character < " " or character == "\x7f" for character in url):
        raise FetchFailed(REFUSED, "is no address: it holds control characters, or is too long")
    try:
        # The very object that is asked: what another parser takes for the host need not be it.
        address = URL(url.replace(" ", "%20"))
        host = (address.raw_host or "").lower()
        port = address.port
    except ValueError as error:
        raise FetchFailed(REFUSED, f"is no address: {error}") from None
    if address.scheme not in ("http", "https") or not host or port is None:
        raise FetchFailed(REFUSED, "only http:// and https:// addresses with a host are fetched")
    if address.user is not None or address.password is not None:
        raise FetchFailed(REFUSED, "addresses with a user or password are not fetched")
    if host not in named:
        _check_literal(host)
    return address


def redirected(address: URL, location: str, named: Collection[str] = ()) -> URL:
    """The address that an answer redirects to. Raises FetchFailed."""
    try:
        return check_address(urljoin(str(address), location.strip()), named)
    except ValueError as error:
        raise FetchFailed(REFUSED, f"redirects to what is no address: {error}") from None
    except FetchFailed as error:
        raise FetchFailed(error.kind, f"redirects to where nothing is fetched: {error.reason}") from None


def public_resolver(named: Collection[str] = ()) -> AbstractResolver:
    """A resolver for aiohttp that gives public addresses only, but for the hosts that are named."""
    from aiohttp.abc import AbstractResolver as Base
    from aiohttp.resolver import ThreadedResolver

    class Resolver(Base):
        def __init__(self) -> None:
            self._inner = ThreadedResolver()

        async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[Any]:
            found = await self._inner.resolve(host, port, family)
            if host not in named and not all(_is_public(one["host"]) for one in found):
                raise FetchFailed(REFUSED, f"{host} is at a private address of this network")
            return list(found)

        async def close(self) -> None:
            await self._inner.close()

    return Resolver()


def _check_literal(host: str) -> None:
    """Refuse a private address, and numbers in a spelling of their own: aiohttp asks no resolver what they mean."""
    if ":" not in host and not host.replace(".", "").isdigit():
        return  # a name: the resolver looks at what it means
    try:
        is_public = _is_public(host)
    except ValueError:
        raise FetchFailed(REFUSED, f"{host} is no address of a host") from None
    if not is_public:
        raise FetchFailed(REFUSED, f"{host} is a private address")


def _is_public(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    inner = getattr(found, "ipv4_mapped", None) or getattr(found, "sixtofour", None)
    if inner is None and found.version == 6 and found in ipaddress.ip_network("64:ff9b::/96"):  # NAT64
        inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
    found = inner or found
    return found.is_global and not found.is_multicast
