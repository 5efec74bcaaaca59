"""`python -m tools entities`: the list of the samples' captions, and mistakes of a user."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mcg.text.entities import read_entities
from tests.small_wordnet import write_wordnet
from tests.tools.commands.command_line import invoke


def test_the_list_is_what_entity_prompting_reads(built: Path, tmp_path: Path, wordnet_folder: Path) -> None:
    out = tmp_path / "new/entities.txt"
    words = ["--dataset", built, "--wordnet", wordnet_folder, "--count", "8", "--out", out]
    done = invoke("entities", *words)
    assert done.exit_code == 0, done.output
    assert "8 nouns" in done.stdout and "samples without a text that can be read" in done.stdout
    told = json.loads(invoke("entities", *words, "--json").stdout)
    assert read_entities(out, 8) == list(told["entities"]) and told["num_samples"] == told["num_texts"] == 3
    assert out.read_text().split("\n")[0] == " ".join(map(str, next(iter(told["entities"].items()))))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--count", "5000"], "hold"),
        (["--wordnet", "nowhere"], "no WordNet in nowhere, and the list of nouns needs it: install it"),
        (["--out", "."], "--out .: the list is one local file; name it"),
        (["--out", "s3://bucket/x.txt"], "the list is one local file; name it"),
        (["--dataset", "nowhere"], "nowhere: no dataset here"),
    ],
)
def test_mistakes_are_told_in_one_line(built: Path, tmp_path: Path, words: list[str], told: str) -> None:
    given = ["--dataset", built, "--out", tmp_path / "x.txt", "--wordnet", write_wordnet(tmp_path / "wordnet"), *words]
    done = invoke("entities", *given)
    assert done.exit_code in (1, 2) and done.stderr.count("\n") == 1 and told in done.stderr
    assert not (tmp_path / "x.txt").exists()


def test_a_dataset_that_is_given_twice_is_refused(built: Path, tmp_path: Path) -> None:
    done = invoke("entities", "--dataset", built, "--dataset", f"{built}/", "--out", tmp_path / "x.txt")
    assert done.exit_code == 2 and "is given twice, and its nouns would count twice; give it once" in done.stderr
