"""No record of a csv vanishes into another: rows out = records in, whatever quotes stray."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.shards.pictures import FIELD
from tools.annotations import table_records, tsv_lines
from tools.commands import app
from tools.record import Record
from tools.rows import BadRow
from tools.swallowed import KnownColumns

Write = Callable[[str, str | bytes], Path]


def read(path: Path, *required: str) -> list[Record | BadRow]:
    return list(table_records(path, {name: (name,) for name in required}))


def test_a_quote_that_swallows_records_costs_its_own_line(text_file: Write) -> None:
    content = (FIELD / "inch.csv").read_bytes()
    bad, *good = read(text_file("results_2M_train.csv", content), "videoid", "name")
    assert isinstance(bad, BadRow) and bad.record_id == "line 2"
    assert bad.reason == (
        "malformed line: results_2M_train.csv line 2: a quote opens here and closes in line 5, and what lies between "
        "looks like records; fix the quotes on this line (a quote inside a field is written twice)"
    )
    names = [record.values["name"] for record in good if isinstance(record, Record)]
    assert names == ["second caption", "third caption", 'a television 50"', "fifth caption"]


SWALLOWING = {
    "two lines": ("id,name", ['1,"a 50 inch', '2,a 50"']),
    "in front": ("name,id", ['"a 50 inch,1', "second,2", 'a 50",3', "fourth,4"]),
    "in the middle": ("id,name,url", ['1,"a 50 inch,http://a/1', "2,second,http://a/2", '3,50",http://a/3', "4,x,y"]),
    "a column too many": ("videoid,url,dur,name", ['1,u1,PT1S,"50 inch', '2,u2,PT1S,a tv, 50"', "3,u3,PT3S,x"]),
    "words as ids": ("id,name", ['v_a1,"50 inch', "v_b22,two", 'v_c3,a 50"', "v_d4,four", "v_e5,five"]),
    "tabs": ("id\tname", ['1\t"50 inch', "2\tsecond, with comma", '3\ta 50"', "4\tfourth"]),
    "twice": ("id,name", ['1,"50 inch', '2,a 50"', '3,"60 inch', "4,four", '5,a 60"', "6,six"]),
    "an empty text between": ("id,name", ['1,"50 inch', '2,""', '3,a 50"', "4,four"]),
    "blank lines": ("id,name", ['1,"50 inch', "2,two", '3,a 50"', "4,four"]),
    "a short line between": ("id,url,name", ['1,http://a/1,"50 inch', "2", '3,http://a/3,50"', "4,http://a/4,four"]),
    "a space in front": ("id,name", ['1,"50 inch', '2, tv 50"', "3,x"]),
    "ids without digits": ("id,name", ['abc,"50 inch', "def,two", 'ghi,50"', "jkl,four"]),
    "to the end": ("id,name", ["1,one", '2,"50 inch', "3,three", "4,four"]),
    "questions": ("video,question,answer,qid", ['7010,"what is,show,1', '7011,who is it",man,2', "7012,why,no,3"]),
}


@pytest.mark.parametrize("case", SWALLOWING)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_of_one_record_ends_as_record_or_quarantined(text_file: Write, case: str, end: str) -> None:
    header, lines = SWALLOWING[case]
    between = 2 * end if case == "blank lines" else end
    found = read(text_file("a.csv", header + end + between.join(lines) + end))
    places = [one.record_id if isinstance(one, BadRow) else one.place for one in found]
    step = 2 if case == "blank lines" else 1
    assert places == [f"line {2 + step * number}" for number in range(len(lines))]
    bad = [one.record_id for one in found if isinstance(one, BadRow)]
    opening = [f"line {2 + step * n}" for n, line in enumerate(lines) if re.search(r'(^|[,\t])"(?!")', line)]
    assert set(opening) <= set(bad)


def test_a_swallowed_record_whose_columns_do_not_count_up_costs_its_own_line_only(text_file: Write) -> None:
    lines = ["a,1000,u/0", "b,1001,u/1", "c,1002,u/2", '"a 50 inch,1003,u/3', '",\nd",1004,u/4', "e,1005,u/5"]
    found = read(text_file("a.csv", "\n".join(["name,videoid,contentUrl", *lines, ""])), "videoid", "name")
    assert [one.record_id for one in found if isinstance(one, BadRow)] == ["line 5"]
    assert [one.values["name"] for one in found if isinstance(one, Record)] == ["a", "b", "c", ",\nd", "e"]


def test_addresses_whose_numbers_begin_alike_so_far_are_no_form(text_file: Write) -> None:
    """Of the records of one line only 1, 10 and 11 are left to learn from."""
    texts = ["a\na", "a", "a\na", "a\na", '"a 50 inch', "a", "a", "a", 'a 50"', '"a 50 inch', "a", "a"]
    lines = [f'"{text}"' if "\n" in text else text for text in texts]
    lines = [f"{text},{1000 + number},http://host/{number}.mp4" for number, text in enumerate(lines)]
    found = read(text_file("a.csv", "\n".join(["name,videoid,contentUrl", *lines, ""])))
    assert len(found) == len(lines)
    assert [one.record_id for one in found if isinstance(one, BadRow)] == ["line 9", "line 14"]


@pytest.mark.parametrize("text", [",\n,,,\na", ",\na,,,\na"])
def test_lines_that_only_look_like_records_do_not_hide_the_forms_of_records(text_file: Write, text: str) -> None:
    lines = [f"{1000 + number},http://host/{number}.mp4,a,PT1S" for number in range(3)]
    lines += ['1003,http://host/3.mp4,"a 50 inch,PT1S', "1004,http://host/4.mp4,a,PT1S"]
    lines += [f'1005,http://host/5.mp4,"{text}",PT1S']
    found = read(text_file("a.csv", "\n".join(["videoid,contentUrl,name,duration", *lines, ""])))
    assert [one.record_id for one in found if isinstance(one, BadRow)] == ["line 5"] and len(found) == 6


LEGAL = {
    "a caption of two lines": '1,"line one\nline two"',
    "with as many commas": '1,"one, two\nthree, four"',
    "in front of an id": '2,"a\nb\n\nc, d, e"',
    "with quotes": '3,"he said ""yes, no""\nand left, slowly"',
    "numbers in it": '4,"count:\none, two\nthree"',
}


def test_fields_of_several_lines_stay_what_they_are(text_file: Write) -> None:
    path = text_file("a.csv", "id,name\n" + "\n".join(LEGAL.values()) + "\n5,plain\n")
    found = read(path, "id", "name")
    assert all(isinstance(one, Record) for one in found) and len(found) == len(LEGAL) + 1
    with open(path, newline="") as file:
        assert [list(one.values.values()) for one in found if isinstance(one, Record)] == list(csv.reader(file))[1:]
    words = read(text_file("c.csv", 'id,name\nabc,"hello\nworld, again"\ndef,x\n'), "id", "name")
    assert len(words) == 2 and all(isinstance(one, Record) for one in words)
    swapped = read(text_file("b.csv", 'name,id\n"line one\nline two",1\nthree,2\n"a\nb, c\nd",3\n'), "id", "name")
    assert len(swapped) == 3 and all(isinstance(one, Record) for one in swapped)


WORDS = st.text(alphabet="abc ,'\u00e9", min_size=1, max_size=12).filter(lambda text: bool(text.strip()))
STRAYS = ('"{} 50 inch', '{} 50"', '{} 50" tv', '"{}" tv', '"{} ""50', '""{}', '{}""', '"', '"""{}', '"{}"""')


@settings(max_examples=300, deadline=None)
@given(data=st.data(), end=st.sampled_from(["\n", "\r\n"]), delimiter=st.sampled_from([",", "\t"]))
def test_rows_are_as_many_as_records_whatever_quotes_stray(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, end: str, delimiter: str
) -> None:
    header = ["videoid", "contentUrl", "duration", "name"]
    place = data.draw(st.integers(0, 3))
    header.insert(place, header.pop())
    records: list[tuple[str, str | None]] = []  # the line or lines, and the caption where it is to be read
    for number in range(data.draw(st.integers(1, 12))):
        fields = [str(1000 + number), f"http://host/{number}.mp4", "PT00H00M10S"]
        text = data.draw(WORDS)
        kind = data.draw(st.sampled_from(["plain", "plain", "lines", "stray", "stray"]))
        if kind == "stray":
            stray = data.draw(st.sampled_from(STRAYS)).format(text.replace(",", " "))
            records.append((delimiter.join([*fields[:place], stray, *fields[place:]]), None))
            continue
        if kind == "lines":
            text += "\n" + "\n".join(data.draw(st.lists(WORDS, min_size=1, max_size=3)))
        out = io.StringIO()
        csv.writer(out, delimiter=delimiter, lineterminator="\n").writerow([*fields[:place], text, *fields[place:]])
        records.append((out.getvalue()[:-1], text))
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    lines = [delimiter.join(header), *(line for line, _ in records)]
    path.write_bytes((end.join(lines) + end).encode())
    found = read(path)
    captions = {one.values["videoid"]: one.values["name"] for one in found if isinstance(one, Record)}
    assert len(found) == len(records)
    for number, (_, text) in enumerate(records):
        if text is not None:
            assert captions[str(1000 + number)] == text


@pytest.mark.parametrize("form", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends_change_no_record(text_file: Write, form: str, end: str) -> None:
    lines = ["id,name", "1,caf\u00e9", '2,"two, with comma"', "3,three"]
    path = text_file("a.csv", end.join([*lines, ""]).encode(form))
    assert [one.values["name"] for one in read(path) if isinstance(one, Record)] == [
        "caf\u00e9",
        "two, with comma",
        "three",
    ]
    tabs = text_file("a.tsv", end.join(["a\tu1", 'b "c\tu2', ""]).encode(form))
    assert list(tsv_lines(tabs)) == [(1, ["a", "u1"]), (2, ['b "c', "u2"])]


def test_a_carriage_return_inside_a_line_ends_no_record(text_file: Write) -> None:
    path = text_file("a.csv", 'id,name\n1,one\rtwo\n2,"three\rfour"\n3,\0five\n')
    bad, two, three = read(path)
    assert isinstance(bad, BadRow) and bad.record_id == "line 2"
    assert isinstance(two, Record) and two.values["name"] == "three\rfour"
    assert isinstance(three, Record) and three.values["name"] == "\0five"
    assert list(tsv_lines(text_file("a.tsv", "a\rb\tu1\nc\tu2\n"))) == [(1, ["a\rb", "u1"]), (2, ["c", "u2"])]


def test_columns_of_nothing_known_hold_what_is_as_long_as_the_header() -> None:
    columns = KnownColumns([], 2)
    assert columns.hold_records(['a,"b', 'c,d"'], ",") and not columns.hold_records(['a,"b', 'c"'], ",")
    assert not columns.hold_records(['a,"b', 'c,d,e"'], ",")


# ------------------------------------------------------------ the published files


def _count_independently(path: Path) -> int:
    """Records of a csv by its characters: line ends outside quotes, quotes being those at the ends of fields."""
    text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    delimiter = "\t" if "\t" in text.partition("\n")[0] else ","
    count, is_quoted, starts, at = 0, False, True, 0
    has_any = False
    while at < len(text):
        c = text[at]
        if is_quoted:
            if c == '"' and text[at + 1 : at + 2] == '"':
                at += 1
            elif c == '"':
                is_quoted = False
        elif c == '"' and starts:
            is_quoted = has_any = True
        elif c == "\n":
            count += has_any
            has_any = False
        else:
            has_any = True
        starts = not is_quoted and c in (delimiter, "\n")
        at += 1
    return count + has_any - 1


@pytest.mark.long
def test_published_files_have_as_many_rows_as_records(published: Path) -> None:
    paths = sorted(
        path
        for folder in ("webvid", "msrvtt_qa", "msrvtt_ret", "msvd_qa", "nextqa", "nextqa_oe", "nextgqa", "tgif_qa")
        for path in (published / folder).glob("*.csv")
    )
    paths += [published / "condensed_movies/descriptions.csv", published / "youcook2/milnce_validation_youcook.csv"]
    counted = {}
    for path in paths:
        found = read(path)
        bad = [one for one in found if isinstance(one, BadRow)]
        counted[path.name] = len(found)
        assert len(found) == _count_independently(path), path
        assert len(bad) <= 0.001 * len(found), (path, bad[:3])
    assert counted["hqga_test.csv"] == 72_821


def test_a_build_tells_of_as_many_rows_as_the_file_has_records(text_file: Write, tmp_path: Path) -> None:
    path = text_file("results_2M_train.csv", (FIELD / "inch.csv").read_bytes())
    media = tmp_path / "media"
    media.mkdir()
    clip = sorted((Path(__file__).resolve().parents[2] / "samples/videos").glob("*.mp4"))[0]
    for number in range(1, 6):
        shutil.copy(clip, media / f"{number}.mp4")
    arguments = ["build", "webvid", "--annotations", str(path), "--media", str(media), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout.strip().splitlines()[-1])
    assert (summary["num_rows"], summary["num_samples"], summary["num_quarantined"]) == (5, 4, 1)
