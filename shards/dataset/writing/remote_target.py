"""A URL prefix of a store that a dataset is written to."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from shards.base.errors import AccessDenied, MissingFile, WriteError
from shards.base.redact import shown
from shards.dataset.writing.claim import CLAIM_FILE, Claim, Taken
from shards.dataset.writing.target import UNFINISHED, Target
from shards.dataset.writing.write_error import naming
from shards.storage.addresses import below
from shards.storage.open import open_source
from shards.storage.source import Names


class RemoteTarget(Target):
    """A URL prefix, through fsspec; files are written in the temporary folder of this machine first."""

    def __init__(self, url: str) -> None:
        from shards.storage.stores.filesystem import open_filesystem

        self.address = url.rstrip("/")
        self.url = shown(self.address)
        self._files, self._prefix = open_filesystem(self.address)
        self.source, self.unfinished = open_source(self.address), open_source(below(self.address, UNFINISHED))
        self._scratch: str | None = None
        self._claim: Claim | None = None

    def _hold(self) -> None:
        """Claim the place before the first file, and check the claim before each further one. Raises WriteError."""
        try:
            if self._claim is None:
                with naming(f"{self.url}/{UNFINISHED}/{CLAIM_FILE}"):
                    self._claim = Claim(self._files, f"{self._prefix}/{UNFINISHED}/{CLAIM_FILE}")
            self._claim.check()
        except Taken as error:
            raise WriteError(f"{self.url}: {error}") from error

    def list(self) -> Names:
        try:
            return self.source.list()
        except MissingFile:
            return []
        except AccessDenied as error:
            raise WriteError(str(error)) from error

    def list_unfinished(self) -> Names:
        try:
            return [name for name in self.unfinished.list() if name != CLAIM_FILE]
        except MissingFile:
            return []

    def scratch(self, name: str) -> str:
        if self._scratch is None:
            self._scratch = tempfile.mkdtemp(prefix="shards-")
        return os.path.join(self._scratch, os.path.basename(name))

    def publish(self, path: str, name: str, sync: bool = True) -> None:
        self._hold()
        with naming(f"{self.url}/{name}"):
            self._files.put_file(path, f"{self._prefix}/{name}")
        os.unlink(path)

    @contextmanager
    def stage(self, name: str) -> Iterator[str]:
        path = self.scratch(name)
        with naming(path):
            yield path

    def put(self, name: str, data: bytes) -> None:
        self._hold()
        with naming(f"{self.url}/{name}"):
            self._files.pipe_file(f"{self._prefix}/{name}", data)

    def take(self, path: str, name: str) -> None:
        self._hold()
        with naming(f"{self.url}/{name}"):
            self._files.cp_file(f"{self._prefix}/{path}", f"{self._prefix}/{name}")
            self._files.rm_file(f"{self._prefix}/{path}")

    def drop(self, path: str) -> None:
        self._hold()
        with naming(f"{self.url}/{path}"), suppress(FileNotFoundError):
            self._files.rm_file(f"{self._prefix}/{path}")

    def clear(self) -> None:
        self._hold()
        # A json file says what the other files belong to, so it goes last.
        with naming(f"{self.url}/{UNFINISHED}"):
            for name in sorted(self.list_unfinished(), key=lambda name: name.endswith(".json")):
                self._files.rm_file(f"{self._prefix}/{UNFINISHED}/{name}")

    def release(self) -> None:
        if self._claim is not None:
            claim, self._claim = self._claim, None
            claim.release()
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = None
