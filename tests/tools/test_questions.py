"""Question rows: grouping by video, choices, and what becomes of records that cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.lookup import MediaFolder
from tools.questions import Question, question_rows
from tools.record import BadLine, Record
from tools.rows import BadRow, Row

Asked = list[tuple[str, str | None, str | None]]


def read(record: Record) -> Question:
    if "video" not in record.values:
        raise BadLine("no video")
    values = record.values
    return Question(values["video"], values["question"], values["answer"], "what", record.place)


def rows_of(asked: list[dict[str, Any]], media: Path) -> list[Row | BadRow]:
    records: Iterator[Record] = (Record(f"line {n}", values) for n, values in enumerate(asked, 1))
    return list(question_rows(records, Path("a.csv"), MediaFolder(media, ("mp4",)), read, lambda v: (v, f"v_{v}")))


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    for name in ("0", "1", "v_2"):
        (folder / f"{name}.mp4").touch()
    return folder


_texts = st.sampled_from(["a", "", None])
_lines = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"video": st.sampled_from("0123"), "question": _texts, "answer": _texts}),
)


@given(st.lists(_lines, max_size=12))
def test_every_record_ends_in_one_place(media: Path, asked: list[dict[str, Any]]) -> None:
    """Good questions in a sample, dropped ones beside them, bad lines and lost videos as rows of their own."""
    rows = rows_of(asked, media)
    samples = [row for row in rows if isinstance(row, Row)]
    kept = sum(len(row.records) for row in samples)
    dropped = sum(len(row.dropped) for row in samples)
    assert len({row.key for row in samples}) == len(samples)
    lost = {row.record_id: row.reason for row in rows if isinstance(row, BadRow)}
    unread = [place for place, reason in lost.items() if reason.startswith("malformed line")]
    assert len(unread) == sum(not values for values in asked)
    of_lost_videos = {
        values["video"]: sum(values == other or other.get("video") == values["video"] for other in asked)
        for n, values in enumerate(asked, 1)
        if values and f"line {n}" in lost
    }
    assert kept + dropped + len(unread) + sum(of_lost_videos.values()) == len(asked)
    places = [row.record_id for row in rows]
    assert places == sorted(places, key=lambda place: int(place.split()[1])), "rows stand where their video came first"


def test_a_video_is_found_under_any_of_its_names(media: Path) -> None:
    (row,) = rows_of([{"video": "2", "question": "q", "answer": "a"}], media)
    assert isinstance(row, Row) and row.media_path == media / "v_2.mp4"


def test_multiple_choice_and_more_answers_are_part_of_the_record() -> None:
    choice = Question("v", "q", "b", "CW", "v_1", ("a", "b"), 1)
    assert choice.record() == {
        "question": "q",
        "answer": "b",
        "type": "CW",
        "id": "v_1",
        "choices": ["a", "b"],
        "answer_index": 1,
    }
    assert Question("v", "q", "a", "CW", "v_1", more_answers=("c",)).record()["answers"] == ["a", "c"]
    assert Question("v", "q", "a", "CW", "v_1", ("a", " ")).flaw() == "choice 1 empty"
