"""Filler: failed slots and padding of an evaluation get the frames of a good slot."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.shards.one_window import opened
from tests.shards.small_dataset import write_dataset


def test_padding_copies_a_good_slot(folder: Path) -> None:
    with opened(folder, batch_size=8, mode="eval") as loader:
        *_, batch = loader
    assert batch.valid.tolist() == [True] * 4 + [False] * 4 and batch.dataset == "web"
    assert all((frames == batch.frames[0]).all() for frames in batch.frames[4:])


def test_padding_alone_copies_what_was_copied_last_or_looks_for_an_element(tmp_path: Path) -> None:
    """Of four ranks two get nothing of the last batch; the bad element was one of the last rank's first two."""
    folder = write_dataset(tmp_path / "web", "web", 12, records_of=(1,), broken=(6,))
    grays = []
    for rank in (2, 3):
        with opened(folder, rank=rank, world_size=4, batch_size=8, mode="eval") as loader:
            *_, batch = loader
        assert not batch.valid.any() and batch.failures == [] and batch.frames.shape == (2, 2, 4, 4, 3)
        assert len(np.unique(np.asarray(batch.frames))) == 1
        grays.append(int(batch.frames[0].max()))
    assert grays[0] in {*range(12)} - {6} and grays[1] == 7
