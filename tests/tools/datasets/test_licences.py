"""Every dataset has a note about its terms, of one line; what is not known is said to be so."""

from __future__ import annotations

from tools.datasets import DATASETS
from tools.datasets.licences import LICENCES, NOT_STATED, licence_of


def test_notes_are_of_datasets_and_of_one_line() -> None:
    assert set(LICENCES) <= set(DATASETS)
    assert all(note and note.isprintable() for note in map(licence_of, DATASETS))
    assert licence_of("unheard of") == NOT_STATED
