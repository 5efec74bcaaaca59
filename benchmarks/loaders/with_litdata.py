"""LitData 0.2.76: StreamingDataset and StreamingDataLoader with their defaults; `transform` parses and decodes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import partial
from typing import Any

from answer import main
from question import Batch, Question, parse, pixels, stacked


def load() -> None:
    import litdata  # noqa: F401
    from PIL import Image

    Image.preinit()


def batches(question: Question) -> Iterable[Batch]:
    import litdata

    remote: dict[str, Any] = {}
    if question.url.startswith("s3://"):
        _allow_http()
        remote = {"cache_dir": question.cache, "storage_options": {"endpoint_url": os.environ["AWS_ENDPOINT_URL"]}}
        remote["storage_options"]["aws_access_key_id"] = os.environ["AWS_ACCESS_KEY_ID"]
        remote["storage_options"]["aws_secret_access_key"] = os.environ["AWS_SECRET_ACCESS_KEY"]
    dataset = litdata.StreamingDataset(
        question.url, shuffle=True, transform=partial(_sample, size=question.size), **remote
    )
    return litdata.StreamingDataLoader(
        dataset,
        batch_size=question.batch,
        num_workers=question.workers,
        collate_fn=partial(stacked, size=question.size),
    )


def _allow_http() -> None:
    """Its client for S3 refuses a store without TLS, and no setting of a user changes that."""
    from litdata.streaming import downloader

    downloader._OBSTORE_CLIENT_OPTIONS["allow_http"] = True


def _sample(stored: dict[str, Any], size: int) -> tuple[Any, dict[str, Any]]:
    medium = pixels(stored["jpg"], size) if size else bytes(stored["jpg"])  # a view of its file, which no worker sends
    return medium, parse(stored["json"])


if __name__ == "__main__":
    main(load, batches)
