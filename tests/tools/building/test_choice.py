"""Which rows a build takes: subset, then limit, then each medium once; told in the provenance."""

from __future__ import annotations

from collections.abc import Iterator

from shards.base import threads
from tools.building.choice import Choice
from tools.building.subset import Subset
from tools.rows import CountedRows, Row

ROWS = [Row(f"line {n}", f"{n}", ({"caption": f"{n}"},), media=b"%d" % (n % 7), ext="jpg") for n in range(50)]


def keys(choice: Choice, merge: bool = True) -> tuple[list[str], int]:
    made, about = choice.rows(lambda: CountedRows(iter(ROWS), 50), "d", threads(1) if merge else None)
    return [row.key for row in made if isinstance(row, Row)], about


def test_choices_follow_each_other() -> None:
    assert keys(Choice()) == ([row.key for row in ROWS], 50)
    assert keys(Choice(limit=3)) == (["0", "1", "2"], 3)
    some, about = keys(Choice(Subset.parse("20")))
    assert (len(some), about) == (20, 20)
    assert keys(Choice(Subset.parse("20"), limit=5)) == (some[:5], 5)
    merged, about = keys(Choice(Subset.parse("20"), limit=5, deduplicate=True))
    assert about == len(merged) == len({int(key) % 7 for key in some[:5]}) and set(merged) <= set(some[:5])
    assert keys(Choice(limit=9, deduplicate=True), merge=False)[0] == [str(number) for number in range(9)]


def test_the_provenance_has_what_was_chosen() -> None:
    assert Choice().provenance() == {} and Choice(limit=3).provenance() == {}
    assert Choice(Subset.parse("0.5"), deduplicate=True).provenance() == {"sample": "0.5", "deduplicate": True}


def test_rows_are_drawn_as_they_are_asked_for() -> None:
    def made() -> Iterator[Row]:
        yield ROWS[0]
        raise AssertionError("drawn too far")

    rows, _ = Choice().rows(made, "d", None)
    assert next(rows) is ROWS[0]
