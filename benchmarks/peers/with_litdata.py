"""LitData 0.2.76: chunks of as many samples as the tars have; mode "copied": bytes instead of views of its files."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from answer import main
from protocol import Options, Sample, Trap, join_ranks


def load() -> None:
    import litdata  # noqa: F401


class Stream:
    def __init__(self, options: Options) -> None:
        import litdata
        import torch

        if options.world > 1:
            join_ranks(options)
            torch.distributed.init_process_group("gloo")
        remote: dict[str, Any] = {}
        if options.url.startswith("s3://"):
            _use_boto3()
            remote["storage_options"] = {
                "endpoint_url": os.environ["AWS_ENDPOINT_URL"],
                "aws_access_key_id": os.environ["AWS_ACCESS_KEY_ID"],
                "aws_secret_access_key": os.environ["AWS_SECRET_ACCESS_KEY"],
            }
            remote["cache_dir"] = options.cache or None
            remote["max_cache_size"] = options.cache_bytes
            remote["max_pre_download"] = options.connections
        kind = _pictures() if options.decode else litdata.StreamingDataset
        dataset = kind(options.url, shuffle=options.shuffle, seed=options.seed, drop_last=False, **remote)
        self._data: Any = dataset
        self._in_batches = bool(options.workers or options.save or options.saves or options.state)
        if self._in_batches:
            self._data = litdata.StreamingDataLoader(
                dataset, batch_size=options.batch, num_workers=options.workers, collate_fn=_as_bytes
            )
        self._copied = options.mode == "copied"
        if options.state:
            self._data.load_state_dict(json.loads(Path(options.state).read_text()))

    def __iter__(self) -> Iterator[Sample]:
        if self._in_batches:
            for batch in self._data:
                for sample in batch:
                    yield sample["jpg"], sample["json"]
        elif self._copied:
            for sample in self._data:
                yield bytes(sample["jpg"]), bytes(sample["json"])
        else:
            for sample in self._data:
                yield sample["jpg"], sample["json"]

    def save(self, path: str) -> None:
        Path(path).write_text(json.dumps(self._data.state_dict()))


def _use_boto3() -> None:
    """Its obstore client refuses a plain-http endpoint; without obstore it takes boto3."""
    import litdata.streaming.downloader as downloader

    for name in vars(downloader):
        if "OBSTORE" in name.upper() and "AVAILABLE" in name.upper():
            setattr(downloader, name, False)


def _pictures() -> Any:
    import litdata
    from PIL import Image

    class Pictures(litdata.StreamingDataset):
        def __getitem__(self, at: Any) -> Any:
            sample = super().__getitem__(at)
            return {**sample, "jpg": Image.open(io.BytesIO(sample["jpg"])).convert("RGB").tobytes()}

    return Pictures


def _as_bytes(batch: list[Any]) -> list[Any]:
    """Samples hold views of its files, which no worker can send."""
    return [{"jpg": bytes(sample["jpg"]), "json": bytes(sample["json"])} for sample in batch]


def convert(tars: list[str], out: str, trap: str = "") -> None:
    """One chunk per tar; `trap`: with a pickled object in each sample."""
    from litdata.streaming.cache import Cache

    with tarfile.open(tars[0]) as tar:
        per_chunk = sum(name.endswith(".jpg") for name in tar.getnames())
    more = {"pyd": Trap(trap)} if trap else {}
    cache = Cache(input_dir=out, chunk_size=per_chunk)
    number = 0
    for path in tars:
        with tarfile.open(path) as tar:
            members = iter(tar)
            for member in members:
                if member.name.endswith(".jpg"):
                    text = tar.extractfile(next(members)).read()
                    cache[number] = {"jpg": tar.extractfile(member).read(), "json": text, **more}
                    number += 1
    cache.done()
    cache.merge(1)


if __name__ == "__main__":
    main(load, Stream, convert)
