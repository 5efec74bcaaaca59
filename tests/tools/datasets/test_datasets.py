"""Datasets are found by name, and an unknown name is answered with those that there are."""

from __future__ import annotations

import pytest

from tools.datasets import DATASETS, find_dataset
from tools.rows import OptionError


def test_names_are_found_in_either_spelling() -> None:
    assert find_dataset("msrvtt-qa") == find_dataset("MSRVTT_QA") == ("msrvtt_qa", DATASETS["msrvtt_qa"])


def test_an_unknown_name_lists_the_known_and_the_nearest() -> None:
    with pytest.raises(OptionError) as error:
        find_dataset("web-vid")
    known = ", ".join(sorted(DATASETS))
    assert str(error.value) == f"no dataset is called 'web-vid'; did you mean 'webvid'? known: {known}"
    with pytest.raises(OptionError, match=r"no dataset is called 'zzz'; known: "):
        find_dataset("zzz")
