"""`python -m shards index` as a user runs it: output, exit codes, messages."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shards.cli.app import app
from shards.dataset.index.index import Index
from shards.storage.open import open_source
from tests.shards.foreign_tars import CLIP, Files, img2dataset_files, picture, write_tar

ROOT = Path(__file__).resolve().parents[4]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "shards", "index", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=250)
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def tars(tmp_path: Path) -> Path:
    for shard in range(2):
        write_tar(tmp_path / "cc" / f"{shard}.tar", img2dataset_files(["a", "b"]))
    return tmp_path / "cc"


def test_json_is_the_only_thing_on_stdout(tars: Path) -> None:
    done = run(tars / "{0..1}.tar", "--media", "--json", "--jobs", 2, "--name", "mine")
    report = json.loads(done.stdout)
    assert done.returncode == 0 and done.stderr == ""
    assert (report["name"], report["num_samples"], report["num_scanned"], report["damaged"]) == ("mine", 4, 2, {})
    assert Index.open(open_source(tars)).has_key_frames


def test_a_table_says_what_was_done(tars: Path, tmp_path: Path) -> None:
    done = run(tars, "--headers", "--out", tmp_path / "out")
    assert done.returncode == 0 and "samples" in done.stdout and "4" in done.stdout
    assert not Index.open(open_source(tmp_path / "out")).verified


def test_damage_is_code_1_and_wrong_usage_code_2(tars: Path) -> None:
    (tars / "2.tar").write_bytes(b"no\x1b[31m tar")
    done = run(tars, "--json")
    assert done.returncode == 1 and json.loads(done.stdout)["num_shards"] == 2
    assert "left out: " in done.stderr and "2.tar: ends at byte" in done.stderr
    done = run(tars, "--strict", "--headers", "--json")
    assert done.returncode == 1 and done.stderr.startswith("error: ") and "strict" in done.stderr
    for arguments in ([tars / "nowhere"], [tars / "{7..9}.tar"], [tars, "--headers", "--media"], [tars, "--unknown"]):
        done = run(*arguments)
        assert done.returncode == 2 and done.stdout == "" and done.stderr
    command = [sys.executable, "-m", "shards", "index", str(tars / "nowhere"), "--debug"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=250)
    assert "Traceback" in done.stderr and "PatternError" in done.stderr


def test_one_tar_of_several_is_not_indexed_in_place_of_all(tars: Path, tmp_path: Path) -> None:
    assert run(tars).returncode == 0
    done = run(tars / "1.tar")
    assert done.returncode == 2 and done.stderr == (
        f"error: {tars}/1.tar: is one tar of a folder with 1 more, and the index beside them is of all; to index all: "
        f"python -m shards index {tars}; this one alone: python -m shards index {tars}/1.tar --out FOLDER\n"
    )
    assert Index.open(open_source(tars)).dataset["num_shards"] == 2
    assert run(tars / "1.tar", "--out", tmp_path / "one").returncode == 0
    (tars / "0.tar").unlink()
    assert run(tars / "1.tar").returncode == 0


def test_too_many_quarantined_samples_are_code_1_with_the_commonest_reasons(tmp_path: Path) -> None:
    files: Files = [(f"{i}.jpg", picture(i)) for i in range(3)]
    write_tar(tmp_path / "cc" / "0.tar", [*files, *((f"{i}.txt", b"text") for i in range(3))])
    done = run(tmp_path / "cc", "--max-quarantined", 1)  # all of them are too many, whatever is allowed
    assert done.returncode == 1
    assert "3 quarantined, as 0.tar:0.jpg: members of a key are not adjacent: sort the tar" in done.stderr
    assert "6 of 6 samples (100.0%) are quarantined; " in done.stderr
    good = [(f"{i}.{ext}", b"text") for i in range(5, 8) for ext in ("jpg", "txt")]
    write_tar(tmp_path / "cc" / "0.tar", [*good, *files])
    assert run(tmp_path / "cc", "--no-media").returncode == 0
    done = run(tmp_path / "cc", "--no-media", "--json", "--max-quarantined", 0.49)
    report = json.loads(done.stdout)
    assert done.returncode == 1 and (report["num_samples"], report["num_quarantined"]) == (3, 3)
    assert list(report["quarantined"].values()) == [3] and ":0.jpg: " in report["examples"][0]


def test_a_video_is_taken_before_a_picture_and_the_report_says_so(tmp_path: Path) -> None:
    files = [("a.jpg", picture(0)), ("a.mp4", CLIP.read_bytes()), ("a.txt", b"x")]
    write_tar(tmp_path / "v" / "0.tar", files)
    done = run(tmp_path / "v", "--media")
    assert done.returncode == 0 and "1 samples: video taken, image beside it left alone" in done.stderr
    assert Index.open(open_source(tmp_path / "v")).rows(0).facts(0).kind == "video"
    done = run(tmp_path / "v", "--media-members", "image,video", "--json", "--text-members", "txt,json")
    assert json.loads(done.stdout)["num_scanned"] == 1
    opened = Index.open(open_source(tmp_path / "v"))
    assert opened.rows(0).facts(0).kind == "image" and opened.rules.text_members == ("txt", "json")


def test_an_option_that_cannot_be_is_wrong_usage(tars: Path) -> None:
    done = run(tars, "--media-members", "txt")
    assert done.returncode == 2 and done.stderr.startswith("error: --media-members: 'txt' is neither")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--shard", "5/4"], 2, "--shard '5/4': is no part; say i/n with i from 1 to n"),
        (["--shard", "1/3"], 2, "names 2 tars, too few for 3 parts"),
        (["--address", "x:1"], 2, "--address x:1: only Ray has one; add --engine ray"),
        (["--engine", "ray", "--address", "x", "--jobs", "2"], 2, "--jobs 2: with --engine ray the cluster decides"),
        (["--engine", "ray", "--address", "nowhere"], 2, "Ray at 'nowhere': no address of a cluster"),
        (["--engine", "ray", "--address", "127.0.0.1:1"], 1, "Ray at 127.0.0.1:1: no connection"),
    ],
)
def test_parts_and_clusters_that_cannot_be_are_refused(tars: Path, words: list[str], code: int, said: str) -> None:
    done = CliRunner().invoke(app, ["index", str(tars), *words])
    assert done.exit_code == code and done.stderr.startswith("error: ") and said in done.stderr, done.output
    assert done.stderr.count("\n") == 1 and not (tars / "dataset.json").exists()


def test_a_part_has_a_folder_of_its_own_and_merge_takes_all_of_them(tars: Path) -> None:
    for number in (1, 2):
        done = CliRunner().invoke(app, ["index", str(tars), "--shard", f"{number}/2", "--jobs", "1"])
        assert done.exit_code == 0, done.output
    done = CliRunner().invoke(app, ["merge", str(tars), f"{tars}/parts/1-of-2"])
    assert done.exit_code == 2 and "of these 1 are missing: 2/2" in done.stderr
    done = CliRunner().invoke(app, ["merge", str(tars), "--json"])
    assert done.exit_code == 0 and json.loads(done.stdout)["num_samples"] == 4 and not done.stderr
