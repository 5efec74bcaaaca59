"""`python -m tools build`: one-line errors with the remedy, help, summary, and a killed process that goes on."""

from __future__ import annotations

import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer

from shards.cli.options import flag
from tests.tools.commands.command_line import ROOT, command, invoke
from tools.datasets import DATASETS
from tools.datasets.pretraining import webvid
from tools.rows import MALFORMED, BadRow, Row

CUT_SHORT = """
import sys
from pathlib import Path
from tools.datasets import DATASETS
from tools.datasets.pretraining import webvid

def rows(annotations: Path, media: Path):
    for number, row in enumerate(webvid.rows(annotations, media)):
        if number == 12:
            print("twelve rows are out", flush=True)
            sys.stdin.read()
        yield row

DATASETS["webvid"] = rows
from tools.commands import app
app()
"""


def test_a_killed_build_goes_on_with_the_same_command_to_the_same_bytes(clips: list[str], tmp_path: Path) -> None:
    arguments = [*clips, "--samples-per-shard", "2", "--out"]
    out, whole = tmp_path / "out", tmp_path / "whole"
    words = [sys.executable, "-c", CUT_SHORT, "build", *arguments, str(out)]
    process = subprocess.Popen(
        words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "twelve rows are out\n"
    process.kill()
    process.communicate()
    assert not (out / "dataset.json").exists()

    done = command("build", *arguments, out, "--json")
    assert (done.returncode, done.stdout.count("\n")) == (0, 1), done.stderr
    report = json.loads(done.stdout)
    assert (report["num_rows"], report["num_resumed"], report["num_samples"], report["num_shards"]) == (24, 8, 24, 12)

    assert invoke("build", *arguments, whole).exit_code == 0
    assert {p.name: p.read_bytes() for p in out.iterdir()} == {p.name: p.read_bytes() for p in whole.iterdir()}

    again = invoke("build", *arguments, out)
    assert again.exit_code == 0, again.output
    assert f"nothing to do: {out} holds this already, finished and made in the same way" in again.stdout
    accounts = json.loads(invoke("build", *arguments, out, "--json").stdout)
    assert accounts["finished_before"] and accounts["num_rows"] == accounts["num_samples"] == 24
    assert (accounts["num_records"], accounts["num_shards"], accounts["bytes"]) == tuple(
        report[name] for name in ("num_records", "num_shards", "bytes")
    )
    other = invoke("build", *clips, "--samples-per-shard", "3", "--out", out)
    assert other.exit_code == 1
    assert other.stderr.splitlines()[-1] == (
        f"error: {out}: holds a finished dataset already; choose another place, or delete it to build it again (it was "
        "made with provenance.samples_per_shard = 2, this one has 3)"
    )


@pytest.mark.parametrize("where", ["another folder", "a link that was changed"])
def test_a_killed_build_does_not_go_on_with_the_media_of_another_folder(
    samples: Path, tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    annotations = ["webvid", "--annotations", str(samples / "webvid/results_2M_train.csv")]
    one, other, given = tmp_path / "one", tmp_path / "other", tmp_path / "media"
    for folder in (one, other):
        shutil.copytree(samples / "videos", folder / "videos")
    given.symlink_to(one)
    first = given if where != "another folder" else one
    second = given if where != "another folder" else other
    out = tmp_path / "out"
    stop_at(monkeypatch, 10)
    arguments = ["build", *annotations, "--samples-per-shard", "2", "--out", out]
    assert invoke(*arguments, "--media", first).exit_code == 1
    assert (out / "unfinished/000001.parquet").exists() and not (out / "dataset.json").exists()
    monkeypatch.undo()
    given.unlink()
    given.symlink_to(other)
    refused = invoke(*arguments, "--media", second)
    assert refused.exit_code == 1
    assert f"provenance.media = '{one}', this one has '{other}'; start the same conversion" in refused.stderr
    given.unlink()
    given.symlink_to(one)
    assert invoke(*arguments, "--media", first).exit_code == 0


def test_a_shard_that_changed_between_kill_and_resume_is_found_by_its_checksum(
    clips: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["build", *clips, "--samples-per-shard", "2", "--out"]
    out, whole = tmp_path / "out", tmp_path / "whole"
    stop_at(monkeypatch, 12)
    assert invoke(*arguments, out).exit_code == 1
    monkeypatch.undo()
    shard = out / "000001.tar"
    state, data = shard.stat(), bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    os.utime(shard, ns=(state.st_atime_ns, state.st_mtime_ns))
    refused = invoke(*arguments, out)
    assert refused.exit_code == 1
    assert "000001.tar: should have " in refused.stderr and "was changed since it was written" in refused.stderr
    assert f"delete {out}/unfinished/000001.parquet and those behind it" in refused.stderr
    for part in (out / "unfinished").glob("00000[1-9].parquet"):
        part.unlink()
    assert invoke(*arguments, out).exit_code == 0 == invoke(*arguments, whole).exit_code
    assert {p.name: p.read_bytes() for p in out.iterdir()} == {p.name: p.read_bytes() for p in whole.iterdir()}


def stop_at(monkeypatch: pytest.MonkeyPatch, row: int) -> None:
    """Let builds fail when they ask for a row; the few before it that were read ahead are not written."""

    def rows(annotations: Path, media: Path) -> Iterator[Row | BadRow]:
        yield from islice(webvid.rows(annotations, media), row)
        raise OSError(5, "the machine stops")

    monkeypatch.setitem(DATASETS, "webvid", rows)


def test_the_summary_says_what_became_of_every_row(samples: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    lines = (samples / "webvid/results_2M_train.csv").read_text().splitlines()
    path.write_text("\n".join([*lines[:3], ",x,x,x,no id", "7,x,x,x,[no] media", lines[1]]) + "\n")
    arguments = ["webvid", "--annotations", path, "--media", samples, "--out"]
    result = invoke("build", *arguments, tmp_path / "out", "--max-quarantined", "3")
    assert result.exit_code == 0, result.stderr
    table = dict(re.findall(r"│ +([a-z ]+?) +│ +([\d,.]+) │", result.stdout))
    assert table.items() >= {"rows in": "5", "samples": "2", "quarantined": "3", "records dropped": "0"}.items()
    assert table.items() >= {"malformed line": "1", "media not found": "1", "duplicate key": "1"}.items()
    assert "media not found: a.csv line 5: video '7': no file under" in result.stdout
    assert f"quarantined (all in {tmp_path}/out/quarantine.jsonl):" in result.stdout

    too_many = invoke("build", *arguments, tmp_path / "again", "--max-quarantined", "2", "--json")
    assert too_many.exit_code == 1
    assert "error: 3 rows are quarantined, --max-quarantined allows 2" in too_many.stderr
    assert json.loads(too_many.stdout)["num_quarantined"] == 3
    assert (tmp_path / "again/dataset.json").exists()


def test_errors_are_one_line_that_names_the_thing_and_the_remedy(
    samples: Path, clips: list[str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "train.pkl").write_bytes(b"\x80\x04.")
    (tmp_path / "head.csv").write_text("videoid,name\n")
    out = tmp_path / "out"

    def on(annotations: Path) -> list[str | Path]:
        return ["webvid", "--annotations", annotations, "--media", samples, "--out", out]

    cases: list[tuple[list[str | Path], int, str]] = [
        (
            [*clips, "--out", tmp_path / "file/out"],
            1,
            f"{tmp_path}/file/out: cannot be written (Not a directory); a part",
        ),
        (
            [*clips, "--out", out, "--num-clips", "3"],
            2,
            "No such option: --num-clips",
        ),
        (["webvid", "--out", out], 2, "Missing option '--annotations'"),
        (["shapes", "--seed", "1", "--num-clips", "1", "--out", out], 2, "Missing option '--split'"),
        (
            ["shapes", "--split", "train", "--num-clips", "1", "--id-map", tmp_path / "head.csv", "--out", out],
            2,
            "No such option: --id-map",
        ),
        (
            ["webvidd", "--out", out],
            2,
            "no dataset is called 'webvidd'; did you mean 'webvid'? known: activitynet_captions, activitynet_qa, cc12m",
        ),
        (on(tmp_path / "train.pkl"), 1, f"{tmp_path}/train.pkl: the pickle is cut or damaged at byte 3 of 3"),
        (on(tmp_path / "no.csv"), 2, f"{tmp_path}/no.csv: no such file; check --annotations"),
        (on(tmp_path / "head.csv"), 1, "head.csv: holds no rows; give"),
        (
            [*clips[:3], "--media", tmp_path, "--out", tmp_path / "lost"],
            1,
            "results_2M_train.csv: none of its 24 rows gave a sample, so nothing is written; the first: media",
        ),
        ([*clips[:3], "--media", tmp_path / "no", "--out", out], 2, f"{tmp_path}/no: no such folder; check --media"),
        ([*clips, "--split", "train", "--out", out], 2, f"{clips[2]}: --split is for VIOLET's json"),
        (["shapes", "--split", "tren", "--num-clips", "1", "--out", out], 2, "--split 'tren' is unknown; choose one"),
    ]
    for arguments, code, message in cases:
        result = invoke("build", *arguments)
        assert result.exit_code == code, arguments
        assert result.stderr.splitlines()[-1].lower().startswith(f"error: {message.lower()}"), result.stderr
        assert "Traceback" not in result.stderr and not result.stdout
        assert not out.exists()


def test_a_dataset_shows_its_own_options_and_those_of_every_build() -> None:
    listed = invoke("build", "--help").stdout
    every = {flag(parameter) for rows in DATASETS.values() for parameter in inspect.signature(rows).parameters}
    for name, rows in DATASETS.items():
        assert re.search(rf"^ +{name} +\w.*[^.][.]$", listed, re.MULTILINE), f"{name}: a line of help"
        text = " ".join(invoke("build", name, "--help").stdout.split())
        own = {flag(parameter) for parameter in inspect.signature(rows).parameters}
        for option in own:
            assert f" {option} <" in text, (name, option)
        assert not [option for option in every - own if f" {option} <" in text], name
        assert " --out <" in text and "required" in text and "--max-quarantined" in text
    text = " ".join(invoke("build", "shapes", "--help").stdout.split())
    assert "Seed of the clips. [default: 0] [x>=0]" in text and "[x>=1; required]" in text


def test_a_dataset_may_have_options_of_any_name_and_type(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    taken: list[tuple[float, bool, str | None]] = []

    def rows(
        share: Annotated[float, typer.Option(max=1, help="Share of the rows.")] = 0.5,
        first: bool = False,
        language: str | None = None,
    ) -> Iterator[BadRow]:
        """Sets of a test."""
        taken.append((share, first, language))
        return iter([BadRow.at("line 1", "x", MALFORMED, "torn")])

    monkeypatch.setitem(DATASETS, "made_up", rows)
    assert "Share of the rows. [default: 0.5] [x<=1]" in " ".join(invoke("build", "made-up", "--help").stdout.split())
    assert invoke("build", "made-up", "--share", "2", "--out", tmp_path / "out").exit_code == 2
    assert invoke("build", "made-up", "--share", "0.25", "--first", "--out", tmp_path / "out").exit_code == 1
    assert invoke("build", "made-up", "--language", "en", "--out", tmp_path / "out2").exit_code == 1
    assert taken == [(0.25, True, None), (0.5, False, "en")]


def test_help_teaches_with_examples_whose_files_are_there() -> None:
    text = invoke("build", "--help").stdout
    examples = re.findall(r"^ +python -m tools build ((?:.*\\\n)*.*)", text, re.MULTILINE)
    assert len(examples) >= 4
    for example in examples:
        name, *words = example.replace("\\\n", " ").split()
        options: dict[str, Any] = dict(zip(words[::2], words[1::2], strict=True))
        assert name in {*DATASETS, "shapes"}
        for option in ("--annotations", "--media", "--id-map"):
            assert option not in options or (ROOT / options[option]).exists(), example


def test_a_dry_run_tells_rows_and_cost_and_writes_nothing(clips: list[str], tmp_path: Path) -> None:
    words = ["build", *clips, "--samples-per-shard", "10", "--out", tmp_path / "out", "--dry-run"]
    found = invoke(*words)
    assert found.exit_code == 0 and "seconds for this plan" in found.stdout, found.output
    told = json.loads(invoke(*words, "--sample", "7", "--json").stdout)
    assert (told["num_rows"], told["num_samples"], told["num_shards"]) == (7, 7, 1)
    assert json.loads(invoke(*words, "--shard", "2/2", "--json").stdout)["num_rows"] == 10
    assert not (tmp_path / "out").exists()


def test_choices_of_rows_and_media_stand_in_the_provenance(clips: list[str], tmp_path: Path) -> None:
    words = ["--sample", "3", "--deduplicate", "--check-media", "some"]
    done = invoke("build", *clips, *words, "--out", tmp_path / "a")
    assert done.exit_code == 0, done.output
    assert done.stderr.splitlines()[0].startswith("cost: about 3 rows, ")
    about = json.loads((tmp_path / "a/dataset.json").read_text())
    assert about["num_samples"] == 3
    wanted = {"sample": "3", "deduplicate": True, "check_media": "some"}
    assert {name: about["provenance"][name] for name in wanted} == wanted
    assert invoke("build", *clips, "--limit", "2", "--no-facts", "--out", tmp_path / "b").exit_code == 0
    assert json.loads((tmp_path / "b/dataset.json").read_text())["provenance"]["facts"] is False
