"""Scorers by name: the nearest one is told, options that do not fit are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.scores.graded import gray
from tools.rows import OptionError
from tools.scores.scorers import SCORERS, check_names, open_scorer


def test_every_statistic_gives_a_number() -> None:
    for name in SCORERS.keys() - {"clip"}:
        scorer = open_scorer(name)
        assert 0 <= scorer.score(gray(10), [], None) <= 1 and scorer.column == name


@pytest.mark.parametrize(
    ("names", "checkpoint", "reason"),
    [
        ([], None, "give at least one --scorer"),
        (["blur", "blur"], None, "blur is given twice"),
        (["blur"], Path("x"), "--checkpoint is for --scorer clip"),
    ],
)
def test_a_list_of_scorers_that_makes_no_sense_is_refused(
    names: list[str], checkpoint: Path | None, reason: str
) -> None:
    with pytest.raises(OptionError, match=reason):
        check_names(names, checkpoint)


def test_an_unknown_scorer_is_told_with_the_nearest() -> None:
    with pytest.raises(OptionError, match=r"brightnes: unknown; did you mean brightness\? known: .*module:function"):
        open_scorer("brightnes")
    with pytest.raises(OptionError, match="needs --checkpoint FOLDER"):
        open_scorer("clip")
