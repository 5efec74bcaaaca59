"""What an index lacks is said with a command that adds it."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shards.base.errors import MissingFacts
from shards.cli.app import app
from shards.dataset.indexing.indexer import index_tars
from shards.dataset.indexing.missing_facts import missing_facts
from shards.dataset.indexing.part import Part
from shards.dataset.members.rules import MemberRules
from shards.dataset.tars.looks import Looks
from tests.shards.dataset.indexing.indexed import HEADERS, MEDIA, captions, index_of


def follow(line: str) -> None:
    """Run the command at the end of a message."""
    words = shlex.split(line.rpartition("python -m shards ")[2].partition(" --media)")[0])
    done = CliRunner().invoke(app, [*words, "--jobs", "1"])
    assert done.exit_code == 0, done.output


def test_the_command_adds_what_is_missing_wherever_the_index_lies(tars: Path, tmp_path: Path) -> None:
    rules = MemberRules(text_members=("txt", "json"))
    cases: list[tuple[str, Path | None, Looks, Part | None]] = [
        ("", None, Looks(rules=rules), None),
        ("", tmp_path / "with space", HEADERS, None),
        ("{00000,00002}.tar", tmp_path / "some", Looks(), None),
        ("", tmp_path / "p", Looks(), Part(2, 3)),
    ]
    for pattern, out, looks, part in cases:
        place = index_tars(str(tars / pattern), out and str(out), looks=looks, part=part).out
        before = index_of(place)
        line = missing_facts(before)
        assert line.startswith(f"{place}: the index has no ") and "media facts, so no clip can be planned; " in line
        assert ("no checksums, so damage shows" in line) == (looks is HEADERS)
        follow(line)
        after = index_of(place)
        assert missing_facts(after) == "" and after.has_key_frames
        assert after.shards.names == before.shards.names and after.rules == looks.rules


def test_what_wrote_its_own_tars_lacks_nothing(tmp_path: Path, build_dataset: Callable[..., str]) -> None:
    assert missing_facts(index_of(build_dataset(tmp_path / "toy"))) == ""


def test_the_loader_names_the_command_for_this_index(tars: Path, tmp_path: Path) -> None:
    place = index_tars(str(tars), str(tmp_path / "out")).out
    with pytest.raises(MissingFacts, match="the index holds no media facts") as caught:
        captions(place)
    assert f"(python -m shards index {tars} --out {place} --media)" in str(caught.value)
    follow(str(caught.value))
    assert len(captions(place)) == 12


def test_merge_and_stats_and_bench_say_it_in_one_line(tars: Path, tmp_path: Path) -> None:
    index_tars(str(tars / "{00000..00001}.tar"), str(tmp_path / "a"))
    index_tars(str(tars / "00002.tar"), str(tmp_path / "b"), looks=MEDIA)
    runner = CliRunner()
    done = runner.invoke(app, ["merge", str(tmp_path / "out"), str(tmp_path / "b"), str(tmp_path / "a")])
    assert done.exit_code == 2 and done.stderr.count("\n") == 1
    assert f"a: media is False, but True in {tmp_path}/b; index the part that lacks them again: python" in done.stderr
    assert f"index '{tars}/{{00000..00001}}.tar' --out {tmp_path}/a" in done.stderr
    index_tars(str(tars / "00002.tar"), str(tmp_path / "b"))
    done = runner.invoke(app, ["merge", str(tmp_path / "out"), str(tmp_path / "b"), str(tmp_path / "a")])
    assert done.exit_code == 0
    line = f"warning: {missing_facts(index_of(tmp_path / 'out'))}\n"
    assert line in done.stderr and f"shards index {tars} --out {tmp_path}/out" in line
    for words in (["stats", "--json"], ["bench", "--reader-only", "--batches", "1", "--repeats", "1", "--json"]):
        done = runner.invoke(app, [words[0], str(tmp_path / "out"), *words[1:]])
        assert done.exit_code == 0 and done.stderr == line
