"""MosaicML Streaming 0.13.0: MDS shards of as many samples as the tars have, its default shuffle (py1e)."""

from __future__ import annotations

import io
import json
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from answer import main
from protocol import Options, Sample, Trap, join_ranks


def load() -> None:
    _complete_torchvision()
    import streaming  # noqa: F401


def _complete_torchvision() -> None:
    """The CPU build of torchvision lacks two operators that importing it asks for; they are never called here."""
    import torch

    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        import sys

        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        globals()["_library"] = library


class Stream:
    def __init__(self, options: Options) -> None:
        import streaming
        import torch

        if options.world > 1:
            join_ranks(options)
            torch.distributed.init_process_group("gloo")
        remote = options.url if "://" in options.url else None
        local = (options.cache or f"/tmp/mcg-mosaic-{uuid.uuid4().hex}") if remote else options.url
        kind = _Pictures if options.decode else streaming.StreamingDataset
        dataset = kind(
            remote=remote,
            local=local,
            shuffle=options.shuffle,
            shuffle_algo=options.mode if options.mode.startswith("py") else "py1e",
            shuffle_seed=options.seed,
            batch_size=options.batch,
            validate_hash="xxh128" if options.mode == "checked" else None,
            cache_limit=options.cache_bytes if options.cache and options.cache_bytes < 1 << 30 else None,
        )
        self._data: Any = dataset
        self._in_batches = bool(options.workers or options.save or options.saves or options.state)
        if self._in_batches:
            self._data = streaming.StreamingDataLoader(
                dataset, batch_size=options.batch, num_workers=options.workers, collate_fn=_columns
            )
        if options.state:
            self._data.load_state_dict(json.loads(Path(options.state).read_text()))

    def __iter__(self) -> Iterator[Sample]:
        if self._in_batches:
            for batch in self._data:
                yield from zip(batch["jpg"], batch["json"], strict=True)
        else:
            for sample in self._data:
                yield sample["jpg"], sample["json"]

    def save(self, path: str) -> None:
        Path(path).write_text(json.dumps(self._data.state_dict()))


def _columns(batch: list[Any]) -> dict[str, list[Any]]:
    """Its loader counts the samples of a batch by its columns."""
    return {name: [sample[name] for sample in batch] for name in ("jpg", "json")}


def _Pictures(**arguments: Any) -> Any:
    import streaming
    from PIL import Image

    class Pictures(streaming.StreamingDataset):
        def __getitem__(self, at: Any) -> Any:
            sample = super().__getitem__(at)
            return {**sample, "jpg": Image.open(io.BytesIO(sample["jpg"])).convert("RGB").tobytes()}

    return Pictures(**arguments)


def convert(tars: list[str], out: str, trap: str = "") -> None:
    """One MDS shard per tar, with hashes; `trap`: with a pickled object in each sample."""
    from streaming import MDSWriter

    columns = {"jpg": "bytes", "json": "bytes", **({"pyd": "pkl"} if trap else {})}
    more = {"pyd": Trap(trap)} if trap else {}
    samples = list(_samples(tars))
    per_shard = len(samples) // len(tars)
    largest = max(len(a) + len(b) + 12 for a, b in samples)
    limit = per_shard * (largest + 8) + 4096
    with MDSWriter(columns=columns, out=out, hashes=["xxh128"], size_limit=limit) as writer:
        for number, (medium, text) in enumerate(samples):
            if number and number % per_shard == 0:
                writer.flush_shard()
                writer._reset_cache()
            writer.write({"jpg": medium, "json": text, **more})


def _samples(tars: list[str]) -> Iterator[Sample]:
    for path in tars:
        with tarfile.open(path) as tar:
            members = iter(tar)
            for member in members:
                if member.name.endswith(".jpg"):
                    yield tar.extractfile(member).read(), tar.extractfile(next(members)).read()


if __name__ == "__main__":
    main(load, Stream, convert)
