"""S3Store: a prefix of a bucket, through the client that s3fs makes, so that its settings count.

Promises: as store.py. Beside that: credentials that expire during a run are renewed from where they came (environment,
profile, credential_process, the machine's own), and the request is repeated with them; settings that can never work (a
profile that does not exist, a malformed key) are reported at once.
"""

from __future__ import annotations

import asyncio
from typing import Any

from shards.storage.source import CONNECTIONS, Names, Stat
from shards.storage.stores.byte_range import ByteRange, read_body
from shards.storage.stores.filesystem import open_filesystem, version_of
from shards.storage.stores.request_failed import RequestFailed
from shards.storage.stores.s3_errors import CHECK_VARIABLES, failing, is_expired, status_of
from shards.storage.stores.store import WAITS, Answer, Check, Waits, Write


class S3Store:
    """A prefix of a bucket. Requests go to the client that s3fs makes: its own file methods retry on their own."""

    def __init__(self, url: str, waits: Waits = WAITS) -> None:
        from fsspec.config import conf

        users: dict[str, Any] = conf.get("s3", {}).get("config_kwargs", {})
        config = {
            "connect_timeout": waits.connect,
            "read_timeout": waits.read,
            "max_pool_connections": 3 * CONNECTIONS,  # with the parts of whole shards
            # Not every store knows checksums of answers, and the index has its own.
            "response_checksum_validation": "when_required",
            "retries": {"total_max_attempts": 1, "mode": "standard"},
        }
        self._files, prefix = open_filesystem(url, config_kwargs={**config, **users})
        self._bucket, key, _ = self._files.split_path(prefix)
        self._prefix = f"{key.strip('/')}/" if key.strip("/") else ""
        self._keys: tuple[str, ...] | None = None
        """The keys of the client; None before its first request."""
        self._renewing = asyncio.Lock()

    async def stat(self, name: str) -> Stat:
        from botocore.exceptions import ClientError

        try:
            with failing(self._bucket):
                said = await self._call("head_object", Key=self._prefix + name)
                return Stat(int(said["ContentLength"]), version_of(said))
        except RequestFailed as failed:
            if failed.retryable or not isinstance(failed.__cause__, ClientError):
                raise
        # An error answer to HEAD has no body, so no reason; that to GET has one. Some keys may only GET.
        answer = await self.get(name, 0, 1)
        return Stat(len(answer.data) if answer.size is None else answer.size, answer.version)

    async def get(
        self, name: str, offset: int, length: int | None, write: Write | None = None, check: Check | None = None
    ) -> Answer:
        asked = ByteRange(offset, length)
        range_ = {} if asked.header is None else {"Range": asked.header}
        with failing(self._bucket):
            try:
                said = await self._call("get_object", Key=self._prefix + name, **range_)
            except Exception as error:
                if status_of(error) == 416:  # the range begins where the file ends, an empty one's first byte too
                    return Answer(b"", 0 if offset <= 0 else None, "")
                raise
            async with said["Body"] as body:
                num_bytes, size = asked.check_answer(said.get("ContentRange"), said.get("ContentLength"))
                if check is not None:
                    check(size, version_of(said))
                data = await read_body(body, num_bytes, write)
            return Answer(data, size, version_of(said))

    async def list(self, page: str) -> tuple[Names, str]:
        more = {"ContinuationToken": page} if page else {}
        with failing(self._bucket, ", while listing"):
            said = await self._call("list_objects_v2", Prefix=self._prefix, Delimiter="/", **more)
        found = said.get("Contents", [])
        if not found and not said.get("CommonPrefixes") and self._prefix and not page:
            raise RequestFailed("missing", "nothing in the bucket begins with this", "check the address")
        names = [entry["Key"].removeprefix(self._prefix) for entry in found]
        return [name for name in names if name], said.get("NextContinuationToken", "") if said["IsTruncated"] else ""

    async def _call(self, method: str, **arguments: Any) -> Any:
        from botocore.exceptions import ClientError

        files = self._files
        await files.set_session()
        if self._keys is None:
            self._keys = _checked(await self._current_keys())
        used = self._keys
        for is_last in (False, True):
            call = getattr(await files.get_s3(self._bucket), method)
            try:
                return await call(**files._get_s3_method_kwargs(call, Bucket=self._bucket, **arguments))
            except ClientError as error:
                if is_last or not is_expired(error) or not await self._renew_keys(used):
                    raise
        raise AssertionError("a last attempt returns or raises")

    async def _renew_keys(self, used: tuple[str, ...] | None) -> bool:
        """True if the client has other keys now; of the requests that find `used` expired, one renews them."""
        async with self._renewing:
            if self._keys == used:
                await self._files.set_session(refresh=True)
                self._keys = _checked(await self._current_keys())
            return self._keys != used

    async def _current_keys(self) -> tuple[str, ...]:
        found = await self._files.session.get_credentials()
        given = (self._files.key, self._files.secret, self._files.token)
        if found is None or any(given):
            return tuple(text for text in given if text)
        frozen = await found.get_frozen_credentials()
        return tuple(text for text in frozen if text)


def _checked(keys: tuple[str, ...]) -> tuple[str, ...]:
    """The same keys. Raises RequestFailed for those that no store can know: copied with a space or a line end."""
    for name, key in zip(("access key", "secret key", "session token"), keys, strict=False):
        if any(char.isspace() or not char.isprintable() for char in key):
            raise RequestFailed("denied", f"the {name} holds a space or a line end", CHECK_VARIABLES)
    return keys
