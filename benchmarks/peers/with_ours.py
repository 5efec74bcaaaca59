"""This project's own loader, asked like the others.

mode "fetch": `Reader.fetch` in the order of a training pass, "copied": its views made bytes; otherwise the whole
`Loader`, its decoder replaced by one that gives black frames where the others decode nothing either. Checksums are
compared at every read, unless the mode has "no checksums".
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from answer import main
from protocol import Options, Sample, Unsupported, link_tars

AT_ONCE = 1024


def load() -> None:
    import numpy  # noqa: F401
    import pyarrow.compute
    import pyarrow.parquet  # noqa: F401

    from shards import Loader  # noqa: F401


def open_stream(options: Options) -> Any:
    if options.workers and options.mode != "threads":
        raise Unsupported("has no worker processes: it reads in threads of one process")
    return Fetching(options) if options.mode.startswith("fetch") else Loading(options)


class Fetching:
    def __init__(self, options: Options) -> None:
        from shards.order.defaults import default_streams, default_window
        from shards.order.order import Order
        from shards.read.reader import Reader

        verify: Any = "never" if "no checksums" in options.mode else "always"
        self._reader = Reader("bench", options.url, verify=verify)
        self._copied = "copied" in options.mode
        counts = self._reader.counts
        streams = default_streams(counts)
        window = default_window(counts, int(self._reader.index.shards.bytes.sum()), streams)
        self._order = Order(counts, options.seed, "bench", streams, window)
        self._size = int(counts.sum())

    def __iter__(self) -> Iterator[Sample]:
        import numpy as np

        for start in range(0, self._size, AT_ONCE):
            at = self._order.at(np.arange(start, min(start + AT_ONCE, self._size)))
            for fetched in self._reader.fetch(at.shard, at.row):
                if isinstance(fetched, Exception):
                    raise fetched
                yield bytes(fetched.media) if self._copied else fetched.media, fetched.json


class Loading:
    def __init__(self, options: Options) -> None:
        import numpy as np

        from benchmarks.loaders.undecoded import undecoded
        from shards import EncodedClip, Loader, LoaderConfig
        from shards import Sample as OurSample
        from shards.media.clip_plan import ClipPlan
        from shards.storage.open import open_source

        if not options.decode:
            undecoded()
        nothing = {"none": np.zeros(1, np.int8)}

        def encode(sample: OurSample, rng: Any) -> EncodedClip:
            size = (sample.facts.height, sample.facts.width) if options.decode else (1, 1)
            plan = ClipPlan((0,), size, (0, 0, *size))
            meta = {"medium": sample.media, "text": sample.record["caption"].encode()}
            return EncodedClip(sample.media, sample.facts.kind, plan, nothing, meta)

        settings: dict[str, Any] = {
            "blend": [{"name": "bench", "path": options.url}],
            "batch_size": options.batch,
            "mode": "train" if options.shuffle else "eval",
            "seed": options.seed,
            "verify": "always",
        }
        if options.cache:
            # 12 shards in use: a shuffle over far more of them than they hold in memory, and room to fetch ahead
            facts = json.loads(open_source(options.url).read("dataset.json"))
            settings |= {"streams": 4, "window": max(1, 2 * facts["num_elements"] // facts["num_shards"])}
            settings["cache"] = {
                "folder": options.cache,
                "limit": options.cache_bytes,
                "connections": options.connections,
            }
        self._training = options.shuffle
        self._loader = Loader(LoaderConfig.model_validate(settings), options.rank, options.world, encode)
        self._size = self._loader.num_elements // options.world
        self._done = 0
        self._substituted = 0
        if options.state:
            self._loader.load_state_dict(json.loads(Path(options.state).read_text()))
            passes, into, _ = self._loader.progress()["bench"]
            assert not passes
            self._done = into // options.world

    def __iter__(self) -> Iterator[Sample]:
        for batch in self._loader:  # endless in training
            for failure in batch.failures:
                print(f"skipped {failure.origin}: {failure.reason}", file=sys.stderr)
            self._substituted += len({failure.row for failure in batch.failures})
            for meta, valid in zip(batch.meta, batch.valid.tolist(), strict=True):
                if valid and self._done < self._size:
                    self._done += 1
                    yield meta["medium"], meta["text"]
            if self._training and self._done >= self._size:
                break
        self._done = 0

    def save(self, path: str) -> None:
        Path(path).write_text(json.dumps(self._loader.state_dict()))

    def notes(self) -> dict[str, Any]:
        accounting = self._loader.stats.accounting
        found: dict[str, Any] = {"substituted": accounting.substituted, "failed": accounting.failed}
        return found

    def close(self) -> None:
        self._loader.close()


def convert(tars: list[str], out: str) -> None:
    """An index beside links to the tars."""
    import os
    import subprocess

    link_tars(tars, out)
    root = Path(__file__).resolve().parent.parent.parent
    command = [sys.executable, "-m", "shards", "index", os.path.abspath(out)]
    subprocess.run(command, check=True, cwd=root, stdout=sys.stderr)


if __name__ == "__main__":
    main(load, open_stream, convert)
