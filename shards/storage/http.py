"""A folder on an HTTP server, through the session of fsspec.

Promises: as stores.py. Beside that: a name is quoted once, whatever it holds; the query of the address (a signature)
goes with every request below it, and user and password as a header, not in any address that a library may print; a
redirect is followed on the same host and port (and from http to https there), or into a place that the user has named.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from shards.base.redact import shown
from shards.storage.addresses import WEB, below, scheme_of, split_query
from shards.storage.byte_ranges import body_of, expected_body, range_header
from shards.storage.filesystem import open_filesystem, version_of
from shards.storage.request_failed import Failure, NoSize, connection_failure, status_failure, tls_failure
from shards.storage.roots import covers
from shards.storage.source import Names, Stat
from shards.storage.stores import WAITS, Answer, Check, Waits, Write, unchecked
from shards.storage.web_address import as_sent, origin_of, user_of, without_user
from shards.storage.web_page import _is_name, _Links

_MOST_REDIRECTS = 10
_REDIRECTS = (301, 302, 303, 307, 308)
_LARGEST_PAGE = 1 << 26
"""Bytes of the page that lists a folder."""
_REMEDY = "check the address and the credentials (a signed address may have run out)"


class WebStore:
    """A prefix on an HTTP server."""

    def __init__(self, address: str, roots: Sequence[str] = (), waits: Waits = WAITS) -> None:
        import aiohttp
        from fsspec.config import conf

        timeout = aiohttp.ClientTimeout(total=None, sock_connect=waits.connect, sock_read=waits.read)
        users: dict[str, Any] = conf.get(scheme_of(address), {}).get("client_kwargs", {})
        self._address, self._roots = address, tuple(roots)
        self._files, _ = open_filesystem(address, client_kwargs={"timeout": timeout, **users})

    async def stat(self, name: str) -> Stat:
        try:
            async with self._ask("HEAD", below(self._address, name)) as said:
                size = said.headers.get("Content-Length")
                if size is not None and size.isdigit() and not said.headers.get("Content-Encoding"):
                    return Stat(int(size), version_of(said.headers))
        except Failure as failure:
            if failure.kind in ("missing", "again", "throttled"):
                raise
        async with self._ask("GET", below(self._address, name), "bytes=0-0") as said:  # the body is left alone
            total = said.headers.get("Content-Range", "").rpartition("/")[2]
            size = total if said.status in (206, 416) else said.headers.get("Content-Length", "")
        if not size.isdigit():
            raise NoSize
        return Stat(int(size), version_of(said.headers))

    async def get(
        self, name: str, offset: int, length: int | None, write: Write | None = None, check: Check = unchecked
    ) -> Answer:
        async with self._ask("GET", below(self._address, name), range_header(offset, length)) as said:
            if said.status == 416:  # the range begins where the file ends
                return Answer(b"", None, "")
            if said.headers.get("Content-Encoding", "identity") not in ("identity", ""):
                raise Failure("refused", "the server sends it compressed", "turn that off for these files")
            size = said.headers.get("Content-Length")
            content_range = said.headers.get("Content-Range") if said.status == 206 else None
            if said.status == 206 and content_range is None:
                raise Failure("refused", "the server does not say which range it sends", "use another server")
            num_bytes, total = expected_body(offset, length, content_range, int(size) if size else None)
            version = version_of(said.headers)
            check(total, version)
            return Answer(await body_of(said.content, num_bytes, write), total, version)

    async def list(self, page: str) -> tuple[Names, str]:
        base, query = split_query(self._address)
        signed = f"?{query}" if query else ""
        try:
            return await self._names(f"{base.rstrip('/')}/{signed}"), ""
        except Failure as failure:
            if failure.kind != "missing":
                raise
        return await self._names(self._address), ""

    async def _names(self, address: str) -> Names:
        """Of the files that the page of a folder links to."""
        async with self._ask("GET", address) as said:
            kind = said.headers.get("Content-Type", "text/html").partition(";")[0].strip().lower()
            data = bytearray()
            while kind == "text/html" and (piece := await said.content.readany()):
                data += piece
                if len(data) > _LARGEST_PAGE:
                    raise Failure(
                        "refused", f"the page that lists it has more than {_LARGEST_PAGE} bytes", "index by name"
                    )
            folder = urlsplit(str(said.url))
        links = _Links()
        links.feed(data.decode(errors="replace"))
        base = folder._replace(path=folder.path.rstrip("/") + "/", query="", fragment="")
        above = unquote(base.path)
        found = set()
        for link in links.found:
            try:
                target = urlsplit(urljoin(base.geturl(), link.strip()))
            except ValueError:
                continue  # no address
            inside, _, name = target.path.rpartition("/")
            if target.hostname == base.hostname and unquote(inside) + "/" == above and _is_name(unquote(name)):
                found.add(unquote(name))
        return sorted(found)

    @asynccontextmanager
    async def _ask(self, method: str, address: str, range_: str | None = None) -> AsyncIterator[Any]:
        """The answer to a request, its body not read yet; 416 counts as one."""
        from yarl import URL

        # Compressed bodies have other lengths and ranges than files.
        headers = {"Accept-Encoding": "identity"} | ({} if range_ is None else {"Range": range_})
        options = dict(self._files.kwargs)
        headers = {**options.pop("headers", {}), **headers}
        for _ in range(_MOST_REDIRECTS + 1):
            login = _login(address)
            url = URL(as_sent(without_user(address)), encoded=True)
            with _failures():
                session = await self._files.set_session()
                asked = session.request(method, url, headers=headers | login, allow_redirects=False, **options)
                async with asked as said:
                    target = said.headers.get("Location") if said.status in _REDIRECTS else None
                    if target is None:
                        if said.status >= 300 and said.status != 416:
                            pause = said.headers.get("Retry-After")
                            raise status_failure(said.status, f"HTTP {said.status} {said.reason}", _REMEDY, pause)
                        yield said
                        return
            address = self._redirected(address, target)
        raise Failure("refused", f"the server redirects more than {_MOST_REDIRECTS} times", "check the address")

    def _redirected(self, address: str, location: str) -> str:
        """Where to ask instead. Raises Failure."""
        target = location
        try:
            target = without_user(urldefrag(urljoin(without_user(address), location.strip())).url)
            here, there = origin_of(address), origin_of(target)
        except ValueError:
            what = f"the server redirects to {shown(target)}, where nothing is read"
            raise Failure("refused", what, "use another server") from None
        is_safer = (here.scheme, here.port, there.scheme, there.port) == ("http", 80, "https", 443)
        user = None
        if here == there or (here.host == there.host and is_safer):
            user = address
        else:
            user = next((root for root in self._roots if scheme_of(root) in WEB and covers(root, target)), None)
            if user is None:
                place = f"{there.scheme}://{there.host}:{there.port}"
                raise Failure(
                    "refused",
                    f"the server redirects to another host ({place})",
                    f"if that is right, name it: roots: [{place}] in the dataset's config, or --root {place}",
                )
        authority = without_user(user).partition("://")[2]
        whole = user.partition("://")[2]
        credentials = whole[: len(whole) - len(authority)]
        scheme, separator, rest = target.partition("://")
        return scheme + separator + credentials + rest


def _login(address: str) -> dict[str, str]:
    """The header that says user and password of an address, if it has them."""
    user = user_of(address)
    return {} if user is None else {"Authorization": f"Basic {b64encode(':'.join(user).encode()).decode()}"}


@contextmanager
def _failures() -> Iterator[None]:
    import aiohttp

    try:
        yield
    except (aiohttp.ClientSSLError, aiohttp.ClientConnectorCertificateError) as error:
        raise tls_failure(error) from error
    except (aiohttp.InvalidURL, aiohttp.TooManyRedirects) as error:
        # Not `from error`: its text has the whole address, signature included.
        raise Failure("refused", f"{type(error).__name__}: {error}", "check the address") from None
    except aiohttp.ClientResponseError as error:
        raise status_failure(error.status, f"HTTP {error.status} {error.message}", _REMEDY, None) from error
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise connection_failure(error) from error
