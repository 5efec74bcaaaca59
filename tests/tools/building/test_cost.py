"""The cost of a build in a line, from the sizes of the first media, and no row is lost by looking."""

from __future__ import annotations

from pathlib import Path

from tests.tools.building.test_build import rows_of
from tools.building.cost import NUM_PEEKED, foresee, media_size, num_requests
from tools.rows import BadRow, Row


def test_the_first_rows_tell_what_all_will_cost(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(bytes(1000))
    rows: list[Row | BadRow] = list(rows_of([tmp_path / "a.jpg"] * 300))
    line, same = foresee(iter(rows), 1_000_000, "out", 1000)
    assert line == "cost: about 1,000,000 rows, 1 GB to read (mean of the first 8: 1 kB), 1,000 shards"
    assert list(same) == rows
    rows[:4] = [BadRow("line 1", "no usable text: empty")] * 4
    line, same = foresee(iter(rows), 300, "s3://b/out", 10)
    assert line.startswith("cost: about 300 rows, 150 kB to read (mean of the first 4: 1 kB), 15 shards, ")
    assert line.endswith(" requests to the store") and list(same) == rows
    line, _ = foresee(iter(rows[50:57]), 99, "out", 10)
    assert line.startswith("cost: about 7 rows, 7 kB"), "fewer rows than peeked at: they are all counted"
    assert foresee(iter(rows), 0, "out", 10)[0].startswith("cost: the number of rows is not known before")
    assert foresee(iter([]), 0, "out", 10)[0] == "cost: 0 rows; none of the first 0 has a medium"


def test_media_that_are_made_are_not_made_ahead() -> None:
    drawn = []

    def rows():  # type: ignore[no-untyped-def]
        for number in range(NUM_PEEKED):
            drawn.append(number)
            yield Row(f"{number}", f"{number}", ({"caption": "x"},), media=b"12", ext="jpg")

    line, same = foresee(rows(), 50, "out", 10)
    assert drawn == [0] and "100 B to read" in line and len(list(same)) == NUM_PEEKED


def test_sizes_and_requests(tmp_path: Path) -> None:
    (gone,) = rows_of([tmp_path / "gone.jpg"])
    assert media_size(gone) is None and media_size(BadRow("x", "y: z")) is None
    assert num_requests(10, 1000) < num_requests(10, 10 << 30) < num_requests(1000, 10 << 30)
