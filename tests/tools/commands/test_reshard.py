"""`python -m tools reshard` as a user runs it: the accounts, and mistakes in a line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.tools.commands.command_line import invoke
from tests.tools.reshard.copies import keys, write_ours


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ours(tmp_path_factory.mktemp("reshard") / "ours")


def test_the_accounts_are_printed_for_each_split(ours: Path, tmp_path: Path) -> None:
    words = [ours, "--out", tmp_path / "out", "--where", "kind == 'image'", "--shuffle", "3", "--threads", "2"]
    done = invoke("reshard", *words, "--split", "train=0.7,val=0.3", "--samples-per-shard", "2")
    assert done.exit_code == 0, done.output
    rows = {
        cells[1].strip(): cells[2].strip() for line in done.stdout.splitlines() if len(cells := line.split("│")) == 4
    }
    assert (rows["rows in"], rows["samples"], rows["left out"], rows["samples of the sources"]) == ("8", "8", "2", "10")
    assert sum(int(rows[f"split {split}"].split()[0]) for split in ("train", "val")) == 8
    again = invoke("reshard", *words, "--split", "train=0.7,val=0.3", "--samples-per-shard", "2", "--json")
    report = json.loads(again.stdout)
    assert report["finished_before"] and report["splits"].keys() == {"train", "val"}


def test_options_reach_what_they_name(ours: Path, tmp_path: Path) -> None:
    done = invoke("reshard", ours, "--out", tmp_path / "a", "--prefix", "dataset", "--name", "n", "--json")
    assert done.exit_code == 0 and json.loads(done.stdout)["name"] == "n"
    assert keys(tmp_path / "a")[0] == "ours-k00"
    done = invoke("reshard", ours, "--out", tmp_path / "b", "--webdataset", "--bytes-per-shard", "200000", "--json")
    assert done.exit_code == 0 and json.loads(done.stdout)["num_shards"] > 2
    assert not (tmp_path / "b" / "dataset.json").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--prefix", "name"], 2, "is not one of 'dataset', 'shard', 'both'"),
        (["--split", "train"], 2, "--split 'train': is no split"),
        (["--where", "colour == 1"], 1, "colour"),
        (["--exclude", "none.jsonl"], 1, "exclude none.jsonl: no such file"),
        (["--samples-per-shard", "0"], 2, "samples-per-shard"),
        (["--shuffle", "-1"], 2, "shuffle"),
    ],
)
def test_mistakes_are_told_in_a_line_and_leave_nothing(
    ours: Path, tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    done = invoke("reshard", ours, "--out", tmp_path / "out", *words)
    assert done.exit_code == code and said in done.stderr and not (tmp_path / "out").exists(), done.output


def test_a_place_that_holds_something_else_is_refused(ours: Path, tmp_path: Path) -> None:
    done = invoke("reshard", ours, "--out", ours)
    assert done.exit_code == 1 and "holds a finished dataset already" in done.stderr
    done = invoke("reshard", tmp_path / "none", "--out", tmp_path / "out")
    assert done.exit_code == 2 and "none/dataset.json: not found" in done.stderr
