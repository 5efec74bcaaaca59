"""SPICE: what it lacks is told; where all is there it is run (here by a program that stands in for Java 8)."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from mcg.metrics.captioning.java import Java, JavaError, find_java
from mcg.metrics.captioning.spice import PARSER, spice, spice_folder, why_no_spice
from tests.mcg.metrics.stand_in_java import stand_in_java

EIGHT = Java("/java8/bin/java", 8, "8.0_402")
ANSWERS = """
arguments = sys.argv[1:]
assert arguments[arguments.index("-cp") + 2] == "edu.anu.spice.SpiceScorer" and "-Xmx8G" in arguments
asked = json.load(open(arguments[arguments.index("edu.anu.spice.SpiceScorer") + 1]))
assert asked[0] == {"image_id": 0, "test": "a dog", "refs": ["a dog", "the dog"]}
found = [{"image_id": one["image_id"], "scores": {"All": {"f": SCORE(one)}}} for one in reversed(asked)]
json.dump(found, open(arguments[arguments.index("-out") + 1], "w"))
"""


def _jar(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w") as jar:
        jar.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in PARSER:
        _jar(tmp_path / "spice" / name)
    return tmp_path / "spice"


def test_what_is_missing_is_told_with_its_place(tmp_path: Path) -> None:
    why = why_no_spice(tmp_path / "nowhere", EIGHT)
    assert all(f"{name} is not there" in why for name in PARSER)
    assert f"into {tmp_path / 'nowhere'}" in why and "stanford-corenlp-full-2015-12-09" in why
    assert spice_folder().name == "spice"


def test_an_incomplete_folder_is_told(folder: Path) -> None:
    models = folder / PARSER[1]
    models.write_bytes(models.read_bytes()[:20])
    why = why_no_spice(folder, EIGHT)
    assert f"{PARSER[1]} is cut or no jar" in why and f"{PARSER[0]} is" not in why
    models.unlink()
    assert f"{PARSER[1]} is not there" in why_no_spice(folder, EIGHT)


def test_another_java_is_told(folder: Path) -> None:
    assert why_no_spice(folder, EIGHT) == ""
    why = why_no_spice(folder, Java("/usr/bin/java", 17, "17.0.15"))
    assert why == "SPICE is made for Java 8, and /usr/bin/java is 17.0.15: set JAVA_HOME to a Java 8"


def test_its_scores_come_in_the_order_of_the_videos(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("pycocoevalcap.bleu.bleu_scorer")
    scores = ANSWERS.replace("SCORE(one)", "[0.5, None, float('nan'), 1][one['image_id']]")
    java = find_java(stand_in_java(tmp_path, scores, version="1.8.0_402"))
    references = [["a dog", "the dog"], ["a"], ["b"], ["c"]]
    assert spice(references, ["a dog", "x", "y", "c"], folder, java, 100).tolist() == [0.5, 0, 0, 1]


@pytest.mark.parametrize("body", ["", ANSWERS.replace("SCORE(one)", "'much'"), ANSWERS.replace("SCORE(one)", "{}")])
def test_scores_that_are_none_are_refused(folder: Path, tmp_path: Path, body: str) -> None:
    pytest.importorskip("pycocoevalcap.bleu.bleu_scorer")
    java = find_java(stand_in_java(tmp_path, body, version="1.8.0_402"))
    with pytest.raises(JavaError, match="SPICE left no scores that can be read"):
        spice([["a dog", "the dog"]], ["a dog"], folder, java, 100)
