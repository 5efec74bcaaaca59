"""WebDataset 1.0.2 as its README reads a dataset: shards and a buffer shuffled, batches made in the workers."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from answer import main
from question import Batch, Question, pixels


def load() -> None:
    import webdataset  # noqa: F401
    from PIL import Image

    Image.preinit()


def batches(question: Question) -> Iterable[Batch]:
    import webdataset as wds

    names = question.names or sorted(path.name for path in Path(question.url).glob("*.tar"))
    urls = [f"{question.url}/{name}" for name in names]
    dataset: Any = wds.WebDataset(urls, shardshuffle=len(urls)).shuffle(1000).decode().to_tuple("jpg", "json")
    if question.size:
        dataset = dataset.map_tuple(partial(pixels, size=question.size), _same)
    dataset = dataset.batched(question.batch)
    return wds.WebLoader(dataset, batch_size=None, num_workers=question.workers) if question.workers else dataset


def _same(record: dict[str, Any]) -> dict[str, Any]:
    return record


if __name__ == "__main__":
    main(load, batches)
