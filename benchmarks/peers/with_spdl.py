"""SPDL 0.8.0's tar parser. It is a parser, not a loader: here shards are read one after the other, or by a few threads
that fetch whole shards over HTTP, which is what a user of it would write."""

from __future__ import annotations

import urllib.request
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from answer import main
from protocol import Options, Sample, Unsupported


def load() -> None:
    import spdl.io  # noqa: F401


class Stream:
    def __init__(self, options: Options) -> None:
        if options.state:
            raise Unsupported("has no state to resume from")
        if options.shuffle:
            raise Unsupported("has no shuffle")
        if options.workers:
            raise Unsupported("has no worker processes: it reads in threads of one process")
        self._options = options

    def __iter__(self) -> Iterator[Sample]:
        options = self._options
        urls = [f"{options.url}/{name}" for name in options.names]
        if not options.url.startswith("http"):
            for url in urls:
                with open(url, "rb") as file:
                    yield from _samples(file.read(), options.decode)
            return
        with ThreadPoolExecutor(options.connections) as pool:
            coming = deque(pool.submit(_fetch, url) for url in urls[: options.connections])
            for ahead in [*urls[options.connections :], *[None] * options.connections]:
                if not coming:
                    break
                data = coming.popleft().result()
                if ahead:
                    coming.append(pool.submit(_fetch, ahead))
                yield from _samples(data, options.decode)

    def save(self, path: str) -> None:
        raise Unsupported("has no state to save")


def _fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read()


def _samples(tar: bytes, decode: bool) -> Iterator[Sample]:
    from spdl.io import iter_tarfile

    key, sample = "", {}
    for name, data in iter_tarfile(tar):
        stem, _, ext = name.partition(".")
        if stem != key:
            if sample:
                yield _both(sample, decode)
            key, sample = stem, {}
        sample[ext] = data
    if sample:
        yield _both(sample, decode)


def _both(sample: dict[str, Any], decode: bool) -> Sample:
    if decode:
        import io

        from PIL import Image

        return Image.open(io.BytesIO(sample["jpg"])).convert("RGB").tobytes(), sample["json"]
    return sample["jpg"], sample["json"]


def convert(tars: list[str], out: str) -> None:
    """It reads the tars themselves."""


if __name__ == "__main__":
    main(load, Stream, convert)
