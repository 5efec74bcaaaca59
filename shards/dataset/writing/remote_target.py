"""A URL prefix of a store that a dataset is written to."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable

from shards.base.errors import AccessDenied, MissingFile
from shards.base.redact import shown
from shards.dataset.writing.claim import CLAIM_FILE, Claim, Taken
from shards.dataset.writing.target import UNFINISHED, Names
from shards.dataset.writing.write_error import WriteError, naming
from shards.storage.addresses import below
from shards.storage.open import open_source


class RemoteTarget:
    """A URL prefix, through fsspec; files are written in the temporary folder of this machine first."""

    def __init__(self, url: str) -> None:
        from shards.storage.filesystem import open_filesystem

        self.address = url.rstrip("/")
        self.url = shown(self.address)
        self._files, self._prefix = open_filesystem(self.address)
        self.source, self.unfinished = open_source(self.address), open_source(below(self.address, UNFINISHED))
        self._scratch: str | None = None
        self._claim: Claim | None = None

    def _hold(self) -> None:
        """Be the one run that writes here, from its first file on. Raises WriteError."""
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

    def stage(self, name: str, write: Callable[[str], None]) -> str:
        path = self.scratch(name)
        with naming(path):
            write(path)
        return path

    def produce(self, name: str, write: Callable[[str], None]) -> None:
        self.publish(self.stage(name, write), name)

    def put(self, name: str, data: bytes) -> None:
        self._hold()
        with naming(f"{self.url}/{name}"):
            self._files.pipe_file(f"{self._prefix}/{name}", data)

    def clear(self) -> None:
        self._hold()
        # What the parts belong to is said by a json file, which goes last.
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
