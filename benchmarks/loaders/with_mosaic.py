"""MosaicML Streaming 0.13.0: a subclass of StreamingDataset, as its documentation writes it, in torch's DataLoader."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parent.parent / "peers"))

from answer import main
from question import Batch, Question, parse, pixels, stacked


def load() -> None:
    from peers.with_mosaic import load

    load()
    from PIL import Image

    Image.preinit()


def batches(question: Question) -> Iterable[Batch]:
    import streaming
    from torch.utils.data import DataLoader

    class Samples(streaming.StreamingDataset):
        def __getitem__(self, at: Any) -> Any:
            stored = super().__getitem__(at)
            medium = pixels(stored["jpg"], question.size) if question.size else stored["jpg"]
            return medium, parse(stored["json"])

    remote, local = (question.url, question.cache) if "://" in question.url else (None, question.url)
    dataset = Samples(remote=remote, local=local, shuffle=True, batch_size=question.batch)
    loader: Iterable[Batch] = DataLoader(
        dataset,
        batch_size=question.batch,
        num_workers=question.workers,
        collate_fn=partial(stacked, size=question.size),
    )
    return loader


if __name__ == "__main__":
    main(load, batches)
