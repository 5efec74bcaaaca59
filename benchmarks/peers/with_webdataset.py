"""WebDataset 1.0.2 as its documentation reads a dataset: shards shuffled, then a buffer of samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from answer import main
from protocol import Options, Sample, Unsupported, join_ranks


def load() -> None:
    import webdataset  # noqa: F401


class Stream:
    def __init__(self, options: Options) -> None:
        import webdataset as wds

        if options.state:
            raise Unsupported("has no state to resume from")
        if options.world > 1:
            join_ranks(options)
        # Every object of S3 has a plain URL too, which its documentation reads with curl.
        urls = [f"{options.url}/{name}" for name in options.names]
        splitter = {"nodesplitter": wds.split_by_node} if options.world > 1 else {}
        dataset = wds.WebDataset(
            urls,
            shardshuffle=len(urls) if options.shuffle else False,
            cache_dir=options.cache or None,
            seed=options.seed,
            **splitter,
        )
        if options.shuffle:
            dataset = dataset.shuffle(options.buffer)
        if options.decode:
            dataset = dataset.decode("pil")
        if options.mode == "whole":
            dataset = dataset.decode()
        self._data: Any = dataset.to_tuple("jpg", "json") if options.mode != "whole" else dataset.map(_whole)
        if options.decode:
            self._data = self._data.map_tuple(bytes_of, str_bytes)
        if options.workers:
            self._data = wds.WebLoader(self._data, batch_size=None, num_workers=options.workers)

    def __iter__(self) -> Iterator[Sample]:
        return iter(self._data)

    def save(self, path: str) -> None:
        raise Unsupported("has no state to save")


def bytes_of(picture: Any) -> bytes:
    return bytes(picture.tobytes())


def str_bytes(text: Any) -> bytes:
    return str(text).encode()


def _whole(sample: dict[str, Any]) -> Sample:
    return sample["jpg"], str_bytes(sample["json"])


def convert(tars: list[str], out: str) -> None:
    """It reads the tars themselves."""


if __name__ == "__main__":
    main(load, Stream, convert)
