"""`ls`: the samples of the index, filtered, with their texts on request."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from shards.dataset.writing.writer import DatasetWriter
from shards.media.facts import MediaFacts
from tests.shards.cli.conftest import FILES, HOSTILE_CAPTION, HOSTILE_KEY
from tests.shards.small_dataset import write_dataset

RunJson = Callable[..., tuple[int, dict]]
KEYS = [HOSTILE_KEY if i == 1 else name.rpartition("/")[2].split(".")[0] for i, name in enumerate(FILES)]


def test_samples_come_in_the_order_of_the_dataset(built: Path, run_json: RunJson) -> None:
    code, found = run_json("ls", built)
    assert code == 0 and found["num_samples"] == 8 and found["more"] is False
    assert [sample["key"] for sample in found["samples"]] == KEYS
    assert [sample["num_records"] for sample in found["samples"]] == [1, 2] * 4
    first = found["samples"][0]
    assert first["shard"] == "000000.tar" and first["facts"]["width"] == 640 and first["facts"]["kind"] == "image"
    assert (first["members"][0]["ext"], first["members"][0]["size"]) == ("jpg", 28743)
    assert "records" not in first


def test_the_table_shows_key_members_and_media(built: Path, run: Callable[..., Result]) -> None:
    shown = run("ls", built).stdout
    assert "sintel_alley" in shown and ".mp4 77.8 kB" in shown and "video mjpeg 284x160" in shown
    assert "8 of 8 samples" in shown


def test_limit_says_when_there_is_more(built: Path, run: Callable[..., Result], run_json: RunJson) -> None:
    _, found = run_json("ls", built, "--limit", 3)
    assert len(found["samples"]) == 3 and found["more"] is True
    assert "there are more that fit" in run("ls", built, "--limit", 3).stdout
    assert run_json("ls", built, "--limit", 8)[1]["more"] is False


def test_twenty_are_shown_unless_asked_for_all(tmp_path: Path, run_json: RunJson) -> None:
    folder = write_dataset(tmp_path / "many", "many", 30)
    assert len(run_json("ls", folder)[1]["samples"]) == 20
    assert len(run_json("ls", folder, "--limit", 0)[1]["samples"]) == 30


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--shard", "000001.tar"], KEYS[3:6]),
        (["--shard", "00000[02].tar"], KEYS[:3] + KEYS[6:]),
        (["--key", "sk_*"], ["sk_coffee"]),
        (["--key", "sintel*", "--shard", "000001.tar"], ["sintel_alley"]),
    ],
)
def test_patterns_choose(built: Path, run_json: RunJson, options: list[str], expected: list[str]) -> None:
    code, found = run_json("ls", built, *options)
    assert code == 0
    assert [sample["key"] for sample in found["samples"]] == expected


@pytest.mark.parametrize("options", [[], ["--lines"], ["--json"], ["--shard", "00000[01].tar"]])
def test_a_key_that_nothing_has_is_told(built: Path, run: Callable[..., Result], options: list[str]) -> None:
    result = run("ls", built, "--key", "[no]thing", *options)
    where = " in 00000[01].tar" if "--shard" in options else ""
    assert result.exit_code == 1
    assert result.stderr == f"error: {built}: no sample of dataset 'toy' has a key like '[no]thing'{where}\n"
    assert ("--json" in options) == (result.stdout.startswith('{"dataset": "toy"'))


def test_an_unknown_shard_is_wrong_usage(built: Path, run: Callable[..., Result]) -> None:
    result = run("ls", built, "--shard", "000009.tar")
    assert result.exit_code == 2
    assert "no shard is named '000009.tar'; it has 000000.tar ... 000002.tar" in result.stderr


@pytest.mark.parametrize("store", ["folder", "memory"])
def test_records_are_read_from_the_shards(built: Path, memory_url: str, store: str, run_json: RunJson) -> None:
    _, found = run_json("ls", built if store == "folder" else memory_url, "--records", "--shard", "000000.tar")
    texts = [[record["caption"] for record in sample["records"]] for sample in found["samples"]]
    assert texts[0] == ["cv_left05, told 0 times"] and texts[1] == [HOSTILE_CAPTION, "sk_horse, told 1 times"]


def test_hostile_text_reaches_the_terminal_as_text(built: Path, run: Callable[..., Result]) -> None:
    shown = run("ls", built, "--records").stdout
    assert "\x1b" not in shown and "\\x1b[31mred [bold]markup[/bold]" in "".join(shown.split("\n"))


def test_lines_are_one_object_per_sample(built: Path, run: Callable[..., Result]) -> None:
    result = run("ls", built, "--lines", "--limit", 0, "--records")
    samples = [json.loads(line) for line in result.stdout.splitlines()]
    assert [sample["key"] for sample in samples] == KEYS and all("records" in sample for sample in samples)
    assert run("ls", built, "--lines", "--json").exit_code == 2


def test_a_text_that_cannot_be_read_is_shown_and_told(dataset: Path, run: Callable[..., Result]) -> None:
    data = (dataset / "000002.tar").read_bytes()
    (dataset / "000002.tar").write_bytes(data.replace(b'{"records"', b"{]records]"))
    for options in ([], ["--lines"]):
        result = run("ls", dataset, "--records", *options)
        assert result.exit_code == 1
        assert "000002.tar:coin_pen_mjpeg: json cannot be read" in result.stderr
        assert "json cannot be read" in result.stdout


FACTS = MediaFacts("video", "vp9", 8, 4, 75, 25.0, 3.0)


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        (FACTS, "video vp9 8x4, 3.0 s, 75 frames at 25 fps"),
        (MediaFacts("image", "jpeg", 8, 4, 1, 0.0, 0.0), "image jpeg 8x4"),
        (MediaFacts("video", "", 0, 0, 0, 0.0, 0.0), "no media facts in the index"),
    ],
)
def test_facts_in_a_line(run: Callable[..., Result], tmp_path: Path, facts: MediaFacts, line: str) -> None:
    with DatasetWriter(tmp_path / "d", "d") as writer:
        writer.write("k", b"x", "mp4", [{"caption": "c"}], {}, facts)
    assert f" {line} " in run("ls", tmp_path / "d").stdout


@pytest.mark.parametrize(
    ("record", "line"),
    [
        ({"caption": "a cat", "url": "u"}, "a cat"),
        ({"question": "what?", "answer": "a cat"}, "what? -> a cat"),
        ({"question": "what?"}, "what?"),
        ({"url": "u", "n": 1}, "url: u, n: 1"),
    ],
)
def test_a_record_in_a_line(run: Callable[..., Result], tmp_path: Path, record: dict[str, object], line: str) -> None:
    with DatasetWriter(tmp_path / "d", "d") as writer:
        writer.write("k", b"x", "mp4", [record], {}, FACTS)
    assert f" {line} " in run("ls", tmp_path / "d", "--records").stdout
