"""The command `verify` tells what is wrong, and takes the files of the build as its options."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.tools.commands.command_line import ROOT, invoke

ANNOTATIONS = ROOT / "samples/webvid/results_2M_train.csv"


def test_a_dataset_fits_its_annotation_file(built: Path) -> None:
    done = invoke("verify", built, "--annotations", ANNOTATIONS)
    assert done.exit_code == 0, done.output
    assert "3 = 3 samples + 0 quarantined" in done.stdout and "media decoded" in done.stdout


def test_json_is_one_object(built: Path) -> None:
    done = invoke("verify", built, "--json", "--decode", "0")
    found = json.loads(done.stdout)
    assert found["ok"] and found["datasets"][0]["samples"] == 3 and found["overlaps"] == []


def test_options_of_the_build_and_of_the_command_may_come_in_any_order(built: Path) -> None:
    done = invoke("verify", "--decode", "1", built, "--seed", "3", "--annotations", ANNOTATIONS, "--json")
    assert done.exit_code == 0 and json.loads(done.stdout)["datasets"][0]["decoded"] == 1


def test_a_split_beside_itself_is_a_leak(built: Path) -> None:
    done = invoke("verify", built, built, "--decode", "0")
    assert done.exit_code == 1 and "share 3 ids" in done.stderr and "ids in both" in done.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "give the folder or URL of a dataset"),
        (["DATASET", "--annotations", str(ROOT / "samples/captions.json")], "is not the file that"),
        (["DATASET", "--anotations", str(ANNOTATIONS)], "did you mean --annotations"),
        (["DATASET", "DATASET", "--annotations", str(ANNOTATIONS)], "files of a build belong to one dataset"),
        (["DATASET/nowhere"], "no dataset here"),
    ],
)
def test_wrong_usage_is_told_in_one_line(built: Path, words: list[str], told: str) -> None:
    done = invoke("verify", *[word.replace("DATASET", str(built)) for word in words])
    assert done.exit_code == 2 and told in done.stderr and len(done.stderr.splitlines()) == 1
