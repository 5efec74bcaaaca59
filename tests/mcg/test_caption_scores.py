"""The command `python -m mcg.caption_scores`: a table, JSON, scores of each video, and mistakes in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

import mcg.caption_scores
from mcg.metrics.captioning.coco_files import write_predictions, write_references
from mcg.metrics.captioning.java import JavaError, find_java

REFERENCES = {"1": ["A man is playing a guitar.", "a man plays"], "2": ["A dog runs over the grass."]}


def _score(*words: object) -> Result:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(mcg.caption_scores.main)
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    pytest.importorskip("pycocoevalcap.bleu.bleu_scorer", reason="pip install 'mcg-streams[captions]'")
    try:
        find_java()
    except JavaError as error:
        pytest.skip(str(error))
    write_references(tmp_path / "references.json", REFERENCES)
    (tmp_path / "predictions.json").write_text(
        json.dumps([{"image_id": 2, "caption": "a dog runs"}, {"image_id": 1, "caption": "a man plays a guitar"}])
    )
    return tmp_path / "references.json", tmp_path / "predictions.json"


def test_a_table_and_what_is_absent(files: tuple[Path, Path], tmp_path: Path) -> None:
    done = _score(
        *files, "--no-meteor", "--training", files[0], "--by-video", tmp_path / "scores.jsonl", "--spice", tmp_path
    )
    assert done.exit_code == 0, done.stderr
    assert all(name in done.stdout for name in ("BLEU-4", "ROUGE-L", "CIDEr", "METEOR", "copied", "distinct"))
    assert "METEOR is absent: it was not asked for" in done.stderr
    assert f"into {tmp_path}" in done.stderr
    lines = [json.loads(line) for line in (tmp_path / "scores.jsonl").read_text().splitlines()]
    assert [line["image_id"] for line in lines] == ["1", "2"] and 0 < lines[0]["BLEU-1"] <= 1


def test_json(files: tuple[Path, Path]) -> None:
    done = _score(*files, "--no-meteor", "--json")
    found = json.loads(done.stdout)
    assert found["counts"]["videos"] == 2 and 0 < found["CIDEr"] <= 10 and set(found["absent"]) == {"METEOR", "SPICE"}
    assert found["java"] == find_java().version


@pytest.mark.parametrize(
    ("predictions", "words", "reason"),
    [
        ({"1": "a"}, (), r"references.json: annotations[2] (video '2'): a video without prediction"),
        ({"1": "a", "2": "b", "3\x1b": "c"}, (), r"predictions.json: [2] (video '3\x1b'): a prediction without ref"),
        ({"1": "a", "2": "."}, (), "predictions.json: [1] (video '2') has no word after the tokenizer"),
        ({"1": "a", "2": "b"}, ("--java", "/nowhere"), "the Java that was named does not exist: /nowhere"),
        ({"1": "a", "2": "b"}, ("--training", "/nowhere.json"), "/nowhere.json: cannot be read"),
    ],
)
def test_a_mistake_is_one_line(
    files: tuple[Path, Path], predictions: dict[str, str], words: tuple[str, ...], reason: str
) -> None:
    write_predictions(files[1], predictions)
    done = _score(*files, "--no-meteor", *words)
    assert done.exit_code == 1 and done.stdout == ""
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1 and reason in done.stderr
