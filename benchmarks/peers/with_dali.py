"""DALI 2.4.0's reader of WebDataset tars on the CPU, with the index of its wds2idx."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from answer import main
from protocol import Options, Sample, Unsupported, link_tars


def load() -> None:
    import nvidia.dali
    import nvidia.dali.fn  # noqa: F401


class Stream:
    def __init__(self, options: Options) -> None:
        from nvidia.dali import fn, pipeline_def, types

        if options.workers:
            raise Unsupported("has no worker processes: it reads in threads of one process")
        if options.url.startswith("http"):
            raise Unsupported("reads no http")
        names = options.names
        folder = Path(options.index or options.url)

        @pipeline_def(
            batch_size=options.batch, num_threads=2, device_id=None, seed=options.seed, enable_checkpointing=True
        )
        def pipeline() -> Any:
            medium, text = fn.readers.webdataset(
                paths=[f"{options.url}/{name}" for name in names],
                index_paths=[str(folder / f"{Path(name).stem}.idx") for name in names],
                ext=["jpg", "json"],
                random_shuffle=options.shuffle,
                initial_fill=options.buffer,
                missing_component_behavior="error",
                shard_id=options.rank,
                num_shards=options.world,
                name="reader",
            )
            if options.decode:
                medium = fn.decoders.image(medium, device="cpu", output_type=types.RGB)
            return medium, text

        state = Path(options.state).read_bytes() if options.state else None
        done = 0
        if state is not None:
            state, count = state[:-8], state[-8:]
            done = int.from_bytes(count, "big")
        self._pipe: Any = pipeline(checkpoint=state) if state is not None else pipeline()
        self._pipe.build()
        whole = self._pipe.reader_meta("reader")["epoch_size"]
        self._size = whole * (options.rank + 1) // options.world - whole * options.rank // options.world
        self._left, self._handed = self._size - done, done

    def __iter__(self) -> Iterator[Sample]:
        while self._left > 0:
            media, texts = self._pipe.run()
            count = min(self._left, len(media))
            self._left -= count
            self._handed += count
            for i in range(count):
                yield media.at(i), texts.at(i)
        self._left = self._size

    def save(self, path: str) -> None:
        Path(path).write_bytes(self._pipe.checkpoint() + self._handed.to_bytes(8, "big"))


def convert(tars: list[str], out: str) -> None:
    """Index files beside (links to) the tars."""
    from wds2idx import IndexCreator

    for target in link_tars(tars, out):
        with IndexCreator(str(target), str(target.with_suffix(".idx"))) as creator:
            creator.create_index()


if __name__ == "__main__":
    main(load, Stream, convert)
