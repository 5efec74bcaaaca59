"""Annotation streams name the right lines, lose one line per broken line, and refuse what they cannot use."""

from __future__ import annotations

import csv
import io
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tools.pickles.assembly import Trap
from tools.annotations import about_records, check_file, load_json, load_value, table_records, tsv_lines
from tools.record import Record
from tools.rows import AnnotationError, BadRow

Write = Callable[[str, str | bytes], Path]
COLUMNS = {"id": ("id",), "caption": ("name", "text")}


def places(records: list[Record | BadRow]) -> list[str]:
    return [r.record_id if isinstance(r, BadRow) else r.place for r in records]


def test_csv_places_are_the_first_line_of_each_record(text_file: Write) -> None:
    path = text_file("a.csv", 'id,name\r\n1,"one\r\ntwo"\r\n2,"a ""q"", b"\r\n\r\n3,tab\there\r\n')
    records = list(table_records(path, COLUMNS))
    assert records == [
        Record("line 2", {"id": "1", "name": "one\r\ntwo"}),
        Record("line 4", {"id": "2", "name": 'a "q", b'}),
        Record("line 6", {"id": "3", "name": "tab\there"}),
    ]


def test_a_csv_may_be_separated_by_tabs(text_file: Write) -> None:
    path = text_file("a.csv", 'id\tname\r\n1\tone, two\r\n2\tsay "no"\r\n3\r\n')
    one, two, bad = table_records(path, COLUMNS)
    assert one == Record("line 2", {"id": "1", "name": "one, two"})
    assert two == Record("line 3", {"id": "2", "name": 'say "no"'})
    assert isinstance(bad, BadRow) and bad.reason.startswith(
        "malformed line: a.csv line 4: 1 columns, the header has 2"
    )


def test_an_unclosed_quote_costs_its_own_line_only(text_file: Write) -> None:
    path = text_file("a.csv", 'id,name\n1,"open\n2,fine\n3,"also fine, too"\n4,last\n')
    bad, *good = table_records(path, COLUMNS)
    assert isinstance(bad, BadRow)
    assert bad.record_id == "line 2"
    assert bad.reason.startswith("malformed line: a.csv line 2: broken csv (")
    assert "a quote inside a field is written twice" in bad.reason
    assert places(good) == ["line 3", "line 4", "line 5"]


def test_an_unclosed_quote_before_more_text_than_a_field_may_hold_costs_its_own_line_only(text_file: Write) -> None:
    path = text_file("a.csv", 'id,name\n0,"open\n' + "".join(f"{i},{'word ' * 10}\n" for i in range(1, 4001)))
    bad, *good = table_records(path, COLUMNS)
    assert isinstance(bad, BadRow) and "field larger than field limit" in bad.reason
    assert [r.values["id"] for r in good if isinstance(r, Record)] == [str(i) for i in range(1, 4001)]


def test_a_row_with_other_columns_is_reported_and_skipped(text_file: Write) -> None:
    path = text_file("a.csv", "id,name\n1,a,b\n2\n3,ok\n")
    first, second, third = table_records(path, COLUMNS)
    assert first == BadRow(
        "line 2", "malformed line: a.csv line 2: 3 columns, the header has 2; put quotes around a caption with commas"
    )
    assert isinstance(second, BadRow) and "1 columns, the header has 2" in second.reason
    assert third == Record("line 4", {"id": "3", "name": "ok"})


@settings(max_examples=50)
@given(st.lists(st.tuples(st.text(min_size=1), st.text()), max_size=20))
def test_whatever_the_csv_module_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, str]]
) -> None:
    cells = [(a, b) for a, b in cells if not any("\ud800" <= c <= "\udfff" for c in a + b)]
    # A text of several lines that are like records themselves is taken for swallowed records (tools/swallowed.py).
    cells = [(a, b) for a, b in cells if not ({"\n", "\r"} & set(a + b) and {",", '"'} & set(a + b))]
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([("id", "name"), *cells])
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_bytes(text.getvalue().encode())
    records = list(table_records(path, COLUMNS))
    assert [tuple(r.values.values()) for r in records if isinstance(r, Record)] == cells
    assert len(records) == len(cells)


@settings(max_examples=100)
@given(st.lists(st.text(alphabet='ab",', max_size=8), max_size=12))
def test_csv_of_any_shape_is_read_to_its_end(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_text("id,name\n" + "\n".join(lines) + "\nlast,row\n")
    seen = list(table_records(path, COLUMNS))
    numbers = [int(place.split()[1]) for place in places(seen)]
    assert numbers == sorted(set(numbers)), "every record has its own line, in order"
    covered = " ".join(str(r) for r in seen)
    assert "last" in covered or isinstance(seen[-1], BadRow)


def test_a_byte_order_mark_is_no_part_of_the_first_column(text_file: Write) -> None:
    path = text_file("a.csv", b"\xef\xbb\xbfid,name\n1,x\n")
    assert list(table_records(path, COLUMNS)) == [Record("line 2", {"id": "1", "name": "x"})]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,title\n1,x\n", r"a\.csv line 1: the header lacks name or text; it has id, title; name the columns there"),
        ("id,name,id\n1,x,2\n", r"a\.csv line 1: the header names id twice"),
        ('id,"name\n', r"a\.csv: the header line cannot be parsed: malformed line: a\.csv line 1: broken csv"),
        ("", r"a\.csv: the file is empty; fetch it again"),
    ],
)
def test_an_unusable_header_stops_with_the_file_named(text_file: Write, content: str, message: str) -> None:
    with pytest.raises(AnnotationError, match=message):
        list(table_records(text_file("a.csv", content), COLUMNS))


def test_jsonl_reports_what_is_no_object_and_skips_blank_lines(text_file: Write) -> None:
    deep = "[" * 100_000
    path = text_file("a.jsonl", f'{{"id": 1}}\n\n{{"id": \n[1]\n{deep}\n{{"id": 2}}\n')
    first, broken, array, nested, last = table_records(path, COLUMNS)
    assert (first, last) == (Record("line 1", {"id": 1}), Record("line 6", {"id": 2}))
    assert isinstance(broken, BadRow) and broken.reason.startswith(
        "malformed line: a.jsonl line 3: not JSON (Expecting"
    )
    assert array == BadRow("line 4", "malformed line: a.jsonl line 4: expected a JSON object, found list")
    assert isinstance(nested, BadRow) and "a.jsonl line 5: not JSON" in nested.reason


def test_tsv_has_no_quoting(text_file: Write) -> None:
    path = text_file("a.tsv", 'a "b\tx\r\nsecond\ty\n')
    assert list(tsv_lines(path)) == [(1, ['a "b', "x"]), (2, ["second", "y"])]


def test_parquet_gives_rows_and_only_the_columns_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"id": [1, 2], "text": ["a", None], "txt_len": [1, 0]}), path)
    assert list(table_records(path, COLUMNS, {})) == [
        Record("row 1", {"id": 1, "text": "a"}),
        Record("row 2", {"id": 2, "text": None}),
    ]


def test_a_parquet_that_is_none_stops_with_the_file_named(text_file: Write) -> None:
    with pytest.raises(AnnotationError, match=r"a\.parquet: not a parquet file \(.*convert or fetch it again"):
        list(table_records(text_file("a.parquet", "id,name\n"), COLUMNS, {}))


def test_a_pickled_frame_is_a_table(tmp_path: Path) -> None:
    path = Path(__file__).parent / "pickles/pandas_1.3.5.pkl"
    columns = {"id": ("videoid", "video_id"), "caption": ("text",)}
    records = list(table_records(path, columns))
    assert [r.place for r in records if isinstance(r, Record)] == ["row 1", "row 2", "row 3", "row 4"]
    assert records[0] == Record("row 1", records[0].values) and records[0].values["text"] == "a man rides a horse"  # type: ignore[union-attr]
    assert load_value(path)[2] == records[2].values  # type: ignore[union-attr]
    assert about_records(path) == 0
    with pytest.raises(AnnotationError, match=r"the header lacks id; name; it has video_id, text"):
        list(table_records(path, {"id": ("id",), "caption": ("name",)}))


def test_a_pickle_that_is_no_frame_is_a_list_or_an_object_of_records(tmp_path: Path) -> None:
    path = tmp_path / "a.pickle"
    path.write_bytes(pickle.dumps([{"id": "1", "name": "a"}, 3]))
    record, bad = table_records(path, COLUMNS)
    assert record == Record("entry 1", {"id": "1", "name": "a"})
    assert isinstance(bad, BadRow) and "entry 2: expected an object with a text, found int" in bad.reason
    path.write_bytes(pickle.dumps({"train": pd.DataFrame({"id": ["1"]}), "n": 3}))
    assert load_value(path) == {"train": [{"id": "1"}], "n": 3}
    path.write_bytes(pickle.dumps({"x": {"id": "1", "name": "a"}}))
    assert load_value(path) == {"x": {"id": "1", "name": "a"}}


def test_a_pickle_runs_nothing_and_is_no_lines_of_text(tmp_path: Path) -> None:
    path = tmp_path / "train.pkl"
    path.write_bytes(pickle.dumps(Trap(Path.touch, tmp_path / "opened")))
    check_file(path)
    for read in (load_value, lambda path: list(table_records(path, COLUMNS))):
        with pytest.raises(AnnotationError, match=r"train\.pkl: the pickle names pathlib\..*nothing was run"):
            read(path)
    with pytest.raises(AnnotationError, match=r"train\.pkl: is a pickle, and this set is read from lines of text"):
        list(tsv_lines(path))
    assert not (tmp_path / "opened").exists()


def test_an_unknown_form_lists_the_known_ones(text_file: Write) -> None:
    with pytest.raises(
        AnnotationError, match=r"cannot tell the form from \.xlsx; .* \.csv, \.jsonl, \.parquet, \.json"
    ):
        table_records(text_file("a.xlsx", "x"), COLUMNS, {})


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match=r"none\.csv: no such file; check --annotations"):
        check_file(tmp_path / "none.csv")
    with pytest.raises(AnnotationError, match="is a folder; --annotations wants the annotation file itself"):
        check_file(tmp_path)


def test_json_refuses_a_key_that_stands_twice(text_file: Write) -> None:
    with pytest.raises(
        AnnotationError, match=r"a\.json: the key 'v1' stands twice in one object; join the two entries"
    ):
        load_json(text_file("a.json", '{"train": {"v1": ["a"], "v1": ["b"]}}'))


def test_json_that_is_none_is_named(text_file: Write) -> None:
    with pytest.raises(AnnotationError, match=r"a\.json: not JSON \(Expecting value"):
        load_json(text_file("a.json", "<html>"))


def test_records_are_counted_without_parsing(text_file: Write, tmp_path: Path) -> None:
    assert about_records(text_file("a.jsonl", "{}\n{}\n")) == 2
    assert about_records(text_file("a.csv", "id,name\n1,a\n")) == 1
    pq.write_table(pa.table({"id": [1, 2, 3]}), tmp_path / "a.parquet")
    assert about_records(tmp_path / "a.parquet") == 3
    assert about_records(text_file("b.parquet", "\n\n")) == 0


def test_published_webvid_csv_reads_whole(published: Path) -> None:
    records = list(table_records(published / "webvid/video2dataset_test_webvid.csv", {"id": ("videoid",)}))
    assert len(records) == 20 and all(isinstance(r, Record) for r in records)


def test_published_qa_lines_read_as_the_json_module_reads_them(published: Path) -> None:
    path = published / "msrvtt_qa/val.jsonl"
    expected = [json.loads(line) for line in path.read_text().splitlines()]
    assert [r.values for r in table_records(path, COLUMNS) if isinstance(r, Record)] == expected
    assert len(expected) == 12278
