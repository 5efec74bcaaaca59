"""WebStore: a folder on an HTTP server, through the session of fsspec.

Promises: as store.py. Beside that: a name is quoted once, whatever it holds; the query of the address (a signature)
goes with every request below it, and user and password as a header, not in any address that a library may print; a
redirect is followed where redirects.py allows it.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from urllib.parse import urlsplit

from shards.storage.addresses import below, scheme_of, split_query
from shards.storage.source import Names, Stat
from shards.storage.stores.byte_range import ByteRange, read_body
from shards.storage.stores.filesystem import open_filesystem, version_of
from shards.storage.stores.redirects import redirected
from shards.storage.stores.request_failed import RequestFailed
from shards.storage.stores.store import WAITS, Answer, Check, Waits, Write
from shards.storage.stores.web_address import as_sent, user_of, without_user
from shards.storage.stores.web_page import names_on_page

_MOST_REDIRECTS = 10
_REDIRECTS = (301, 302, 303, 307, 308)
_LARGEST_PAGE = 1 << 26
"""Bytes of a page that lists a folder: a server may send without end."""
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
        except RequestFailed as failed:
            if failed.kind == "missing" or failed.retryable:
                raise
        async with self._ask("GET", below(self._address, name), "bytes=0-0") as said:  # the body is left alone
            total = said.headers.get("Content-Range", "").rpartition("/")[2]
            size = total if said.status in (206, 416) else said.headers.get("Content-Length", "")
        if not size.isdigit():
            raise RequestFailed.no_size()
        return Stat(int(size), version_of(said.headers))

    async def get(
        self, name: str, offset: int, length: int | None, write: Write | None = None, check: Check | None = None
    ) -> Answer:
        asked = ByteRange(offset, length)
        async with self._ask("GET", below(self._address, name), asked.header) as said:
            if said.status == 416:  # the range begins where the file ends
                return Answer(b"", None, "")
            if said.headers.get("Content-Encoding", "identity") not in ("identity", ""):
                raise RequestFailed("refused", "the server sends it compressed", "turn that off for these files")
            size = said.headers.get("Content-Length")
            content_range = said.headers.get("Content-Range") if said.status == 206 else None
            if said.status == 206 and content_range is None:
                raise RequestFailed("refused", "the server does not say which range it sends", "use another server")
            num_bytes, total = asked.check_answer(content_range, int(size) if size else None)
            version = version_of(said.headers)
            if check is not None:
                check(total, version)
            return Answer(await read_body(said.content, num_bytes, write), total, version)

    async def list(self, page: str) -> tuple[Names, str]:
        base, query = split_query(self._address)
        signed = f"?{query}" if query else ""
        try:
            return await self._names(f"{base.rstrip('/')}/{signed}"), ""
        except RequestFailed as failed:
            if failed.kind != "missing":
                raise
        return await self._names(self._address), ""

    async def _names(self, address: str) -> Names:
        """Names of the files that the page of a folder links to."""
        async with self._ask("GET", address) as said:
            kind = said.headers.get("Content-Type", "text/html").partition(";")[0].strip().lower()
            page = bytearray()
            while kind == "text/html" and (piece := await said.content.readany()):
                page += piece
                if len(page) > _LARGEST_PAGE:
                    reason = f"the page that lists it has more than {_LARGEST_PAGE} bytes"
                    raise RequestFailed("refused", reason, "name the files, as in 00{00..99}.tar")
            return names_on_page(bytes(page), urlsplit(str(said.url)))

    @asynccontextmanager
    async def _ask(self, method: str, address: str, range_: str | None = None) -> AsyncIterator[Any]:
        """The answer to a request, its body not read yet; 416 (the range begins where the file ends) is one too."""
        from yarl import URL

        # Byte ranges of a compressed body are not those of the file.
        headers = {"Accept-Encoding": "identity"} | ({} if range_ is None else {"Range": range_})
        options = dict(self._files.kwargs)
        headers = {**options.pop("headers", {}), **headers}
        for _ in range(_MOST_REDIRECTS + 1):
            login = _login(address)
            url = URL(as_sent(without_user(address)), encoded=True)
            with _failing():
                session = await self._files.set_session()
                asked = session.request(method, url, headers=headers | login, allow_redirects=False, **options)
                async with asked as said:
                    target = said.headers.get("Location") if said.status in _REDIRECTS else None
                    if target is None:
                        if said.status >= 300 and said.status != 416:
                            pause = said.headers.get("Retry-After")
                            raise RequestFailed.of_status(
                                said.status, f"HTTP {said.status} {said.reason}", _REMEDY, pause
                            )
                        yield said
                        return
            address = redirected(address, target, self._roots)
        raise RequestFailed("refused", f"the server redirects more than {_MOST_REDIRECTS} times", "check the address")


def _login(address: str) -> dict[str, str]:
    """The header with user and password of an address, if it has them."""
    user = user_of(address)
    return {} if user is None else {"Authorization": f"Basic {b64encode(':'.join(user).encode()).decode()}"}


@contextmanager
def _failing() -> Iterator[None]:
    """Turn what aiohttp raises into RequestFailed."""
    import aiohttp

    try:
        yield
    except (aiohttp.ClientSSLError, aiohttp.ClientConnectorCertificateError) as error:
        raise RequestFailed.of_tls(error) from error
    except (aiohttp.InvalidURL, aiohttp.TooManyRedirects) as error:
        # Not `from error`: its text holds the whole address, with the signature.
        raise RequestFailed("refused", f"{type(error).__name__}: {error}", "check the address") from None
    except aiohttp.ClientResponseError as error:
        raise RequestFailed.of_status(error.status, f"HTTP {error.status} {error.message}", _REMEDY) from error
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise RequestFailed.of_connection(error) from error
