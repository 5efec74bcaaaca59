"""`python -m tools leaks`: its result and its exit codes; tests/tools/leaks/ has what it finds."""

from __future__ import annotations

import json
from pathlib import Path

from tests.tools.commands.command_line import invoke


def test_leaks_by_id_and_the_exit_code_of_fail(tmp_path: Path) -> None:
    (tmp_path / "msrvtt_train.json").write_text(json.dumps([{"video_id": 1}, {"video_id": 2}]))
    (tmp_path / "msrvtt_test.txt").write_text("video2\nvideo3\n")
    words = ["--train", tmp_path / "msrvtt_train.json", "--eval", tmp_path / "msrvtt_test.txt"]
    words += ["--out", tmp_path / "out"]
    done = invoke("leaks", *words, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["pairs"], found["excluded"]) == ({"id": 1}, 1)
    lines = map(json.loads, (tmp_path / "out/exclude.jsonl").read_text().splitlines())
    assert [line["key"] for line in lines] == ["2", "video2"]
    assert invoke("leaks", *words, "--fail").exit_code == 1
    (tmp_path / "msrvtt_test.txt").write_text("video3\n")
    assert invoke("leaks", *words, "--fail").exit_code == 0


def test_mistakes_are_told_in_one_line(tmp_path: Path) -> None:
    done = invoke("leaks", "--train", tmp_path / "no.json", "--eval", tmp_path / "no.txt", "--out", tmp_path)
    assert done.exit_code == 2
    assert "no such file" in done.stderr
    assert invoke("leaks", "--train", "x", "--out", tmp_path).exit_code == 2
