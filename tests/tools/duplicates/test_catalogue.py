"""The media of several tables under one row of numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shards.base.engines import threads
from tests.tools.duplicates.conftest import Frames, video, write
from tools.duplicates.catalogue import Catalogue
from tools.duplicates.look import FRAMES, HASHED
from tools.duplicates.side_table import Place, make_side_table, open_reader


@pytest.fixture(scope="module")
def catalogue(toy: Path, tmp_path_factory: pytest.TempPathFactory, clips: dict[int, Frames]) -> Catalogue:
    tmp_path = tmp_path_factory.mktemp("catalogue")
    other = write(tmp_path / "other", {"again": video(clips[4])})
    places = [Place("toy", str(toy)), Place("other", str(other))]
    return Catalogue(
        [(place, make_side_table(place, open_reader(place), tmp_path, threads(2), None)) for place in places]
    )


def test_numbers_go_on_from_table_to_table(catalogue: Catalogue) -> None:
    assert len(catalogue) == 14
    assert catalogue.dataset.tolist() == [0] * 13 + [1]
    assert (catalogue.size[13], catalogue.checksum[13]) == (catalogue.size[3], catalogue.checksum[3])
    assert catalogue.has_look.tolist() == [True] * 12 + [False, True]
    assert not catalogue.is_still.any()


def test_hashes_and_pictures_are_those_of_the_number(catalogue: Catalogue) -> None:
    chosen = np.zeros(14, np.bool_)
    chosen[[3, 11, 13]] = True  # the one in the middle is black
    (block,) = catalogue.blocks(chosen)
    asked = catalogue.looked_up(chosen)
    assert block.medium.tolist() == asked.medium.tolist() == [3] * len(HASHED) + [13] * len(HASHED)
    assert (block.hashes[: len(HASHED)] == block.hashes[len(HASHED) :]).all()
    assert (catalogue.thumbs(3).gray == catalogue.thumbs(13).gray).all()
    assert len(catalogue.thumbs(0).gray) == FRAMES
    assert not len(catalogue.looked_up(np.zeros(14, np.bool_)).medium)


def test_failures_are_counted_with_their_reasons(catalogue: Catalogue) -> None:
    counts, examples = catalogue.failures()
    assert counts == {"flat": 1, "decode": 1}
    assert examples[0] == "toy/000003.tar:black: flat: all its frames are flat, as black ones are"
