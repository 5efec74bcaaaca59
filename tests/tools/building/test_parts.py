"""The parts of a build share all rows out, each row to one, and what is no part is refused."""

from __future__ import annotations

import hypothesis.strategies as some
import pytest
from hypothesis import given

from tools.building.parts import MAX_PARTS, Part
from tools.rows import OptionError


@given(some.integers(0, 60), some.integers(1, 7), some.integers(1, 9))
def test_every_row_belongs_to_one_part_that_knows_its_number(num_rows: int, of: int, block: int) -> None:
    parts = [Part(number, of) for number in range(1, of + 1)]
    found = {}
    for part in parts:
        for row, original in enumerate(part.rows(range(num_rows), block)):
            assert part.row_of_all(row, block) == original
            found[original] = part
    assert sorted(found) == list(range(num_rows))


@pytest.mark.parametrize("text", ["0/4", "5/4", "1/0", "1", "a/b", "1/2/3", "-1/4", "1.0/2", "", f"1/{MAX_PARTS + 1}"])
def test_what_is_no_part_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match=r"--shard .*: no part; give I/N with I from 1 to N"):
        Part.parse(text)


def test_a_part_has_a_place_of_its_own() -> None:
    part = Part.parse("2/10")
    assert (str(part), part.folder, part.place("s3://b/out/")) == (
        "2/10",
        "parts/2-of-10",
        "s3://b/out/parts/2-of-10",
    )
    assert Part.of_folder("2-of-10") == part and Part.of_folder("old") is None
