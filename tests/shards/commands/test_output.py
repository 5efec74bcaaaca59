"""What the verbs share: errors in one line with the right exit code, and text from data that stays text."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from click.testing import Result

from shards.commands import output
from shards.commands.output import UsageError, human_bytes, one_line_errors, open_dataset
from shards.config import DatasetConfig, LoaderConfig
from shards.index import DatasetError, WrongPlace
from shards.indexer import DamagedShard, PatternError, index_tars
from shards.loader import Loader
from shards.quarantine import TooManyFailures
from shards.samples import Looks
from shards.source import AccessDenied, MissingFile, SourceError
from shards.target import WriteError
from tests.shards.foreign_tars import write_tar
from tests.shards.small_dataset import encode

ROOT = Path(__file__).resolve().parents[3]
VERBS = ("verify", "ls", "stats", "preview", "bench")


@pytest.mark.parametrize("verb", [*VERBS, "index", "merge"])
def test_help_teaches_with_an_example(run: Callable[..., Result], verb: str) -> None:
    result = run(verb, "--help")
    assert result.exit_code == 0
    assert f"python -m shards {verb} data/" in result.stdout and "Exit codes:" in result.stdout
    assert "--json" in result.stdout and "--debug" in result.stdout


def test_the_help_of_all_says_the_exit_codes(run: Callable[..., Result]) -> None:
    shown = run("--help").stdout
    assert "0 fine, 1 problems in the data, 2 wrong usage, 3 a bug of ours" in shown


@pytest.mark.parametrize("looks", [Looks(media=True), Looks(checksums=False)])
def test_an_index_of_no_samples_works_in_every_verb(run: Callable[..., Result], tmp_path: Path, looks: Looks) -> None:
    for shard in range(2):
        write_tar(tmp_path / "d" / f"{shard}.tar", [("a.jpg", b"x")])
    report = index_tars(str(tmp_path / "d"), looks=looks)
    assert (report.num_samples, report.num_quarantined) == (0, 2)
    for options in (["ls"], ["ls", "--records", "--lines"], ["verify"], ["verify", "--quick"], ["stats"]):
        assert run(*options, tmp_path / "d").exit_code == 0, options
    for verb in ("preview", "bench"):
        done = run(verb, tmp_path / "d")
        assert done.exit_code == 2 and done.stderr.count("\n") == 1
        assert "has no samples" in done.stderr and "2 are quarantined, quarantine.jsonl there says why" in done.stderr
    index_tars(str(tmp_path / "d"), str(tmp_path / "part"), looks=looks)
    assert run("merge", tmp_path / "whole", tmp_path / "part").exit_code == 1  # all samples are quarantined
    assert run("verify", tmp_path / "whole").exit_code == 0
    config = LoaderConfig(blend=(DatasetConfig(name="d", path=str(tmp_path / "d"), elements="sample"),), batch_size=1)
    with pytest.raises(ValueError, match=r"has no elements \(2 shards\); build it again \(quarantine.jsonl"):
        Loader(config, rank=0, world_size=1, encode=encode)


@pytest.mark.parametrize("verb", VERBS)
def test_a_path_without_a_dataset_is_named_with_the_remedy(
    run: Callable[..., Result], tmp_path: Path, verb: str
) -> None:
    result = run(verb, tmp_path / "nowhere")
    assert result.exit_code == 2 and not result.stdout
    assert f"{tmp_path}/nowhere: no dataset here" in result.stderr and "check the path" in result.stderr
    (tmp_path / "a.tar").write_bytes(b"")
    result = run(verb, tmp_path)
    assert result.exit_code == 2
    assert "the folder holds 1 tars but no dataset.json; make the index" in result.stderr
    assert f"python -m shards index {tmp_path}" in result.stderr


@pytest.mark.parametrize(("verb", "option"), [("ls", " --shard 000000.tar"), ("verify", ""), ("stats", "")])
def test_one_shard_is_answered_with_what_to_type(
    run: Callable[..., Result], built: Path, monkeypatch: pytest.MonkeyPatch, verb: str, option: str
) -> None:
    shard = built / "000000.tar"
    assert run(verb, shard).stderr == (
        f"error: {shard}: is one shard, not a dataset; type: python -m shards {verb} {built}{option}\n"
    )
    monkeypatch.chdir(built)
    result = run(verb, "000000.tar")
    assert result.exit_code == 2 and result.stderr.endswith(f"type: python -m shards {verb} .{option}\n")
    assert run(verb, ".", *option.split()).exit_code == 0


def test_a_file_of_stored_frames_is_answered_with_what_reads_it(run: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "x.beton").write_bytes(b"")
    result = run("stats", tmp_path / "x.beton")
    assert result.exit_code == 2 and "is a file of stored frames" in result.stderr and "source: ffcv" in result.stderr


def test_one_shard_in_a_store_is_answered_likewise(run: Callable[..., Result], memory_url: str) -> None:
    result = run("stats", f"{memory_url}/000000.tar")
    assert result.exit_code == 2 and result.stderr.endswith(f"type: python -m shards stats {memory_url}\n")


@pytest.mark.parametrize("verb", VERBS)
def test_a_folder_of_datasets_is_answered_with_their_names(
    run: Callable[..., Result], dataset: Path, verb: str
) -> None:
    shutil.copytree(dataset, dataset.parent / "other" / "train")
    (dataset.parent / "other" / "notes").mkdir()
    result = run(verb, dataset.parent)
    assert result.exit_code == 2 and not result.stdout
    assert result.stderr == (
        f"error: {dataset.parent}: no dataset here, but in folders below it: {dataset.parent}/other/train, {dataset}; "
        f"type e.g.: python -m shards {verb} {dataset.parent}/other/train\n"
    )


@pytest.mark.parametrize("verb", VERBS)
def test_a_damaged_index_is_a_problem_of_the_data(run: Callable[..., Result], dataset: Path, verb: str) -> None:
    with open(dataset / "index.parquet", "r+b") as file:
        file.truncate(500)
    result = run(verb, dataset)
    assert result.exit_code == 1 and not result.stdout
    assert result.stderr.startswith("error: ") and "index.parquet is damaged" in result.stderr
    assert result.stderr.count("\n") == 1


def test_the_file_dataset_json_stands_for_its_folder(dataset: Path) -> None:
    assert open_dataset(f"{dataset}/dataset.json").url == str(dataset)


def test_shards_may_lie_elsewhere_than_the_index(dataset: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "tars"
    elsewhere.mkdir()
    for shard in dataset.glob("*.tar"):
        shutil.move(shard, elsewhere)
    about = json.loads((dataset / "dataset.json").read_text())
    (dataset / "dataset.json").write_text(json.dumps({**about, "root": str(elsewhere)}))
    opened = open_dataset(str(dataset), roots=[str(tmp_path)])
    assert opened.shards.list(".tar") == ["000000.tar", "000001.tar", "000002.tar"]


def test_usage_errors_name_the_path(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"neither dataset\.json nor tars; check the path, or make the index of tars with: python -m"
    ):
        open_dataset(str(tmp_path))


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (UsageError("no\nsuch thing"), 2, "error: no such thing\n"),
        (PatternError("a/*.tar: no tar"), 2, "error: a/*.tar: no tar\n"),
        (WrongPlace("b: not a part"), 2, "error: b: not a part\n"),
        (WriteError("c: cannot be written"), 2, "error: c: cannot be written\n"),
        (MissingFile("d: not found"), 2, "error: d: not found\n"),
        (AccessDenied("e: refused"), 2, "error: e: refused\n"),
        (DamagedShard("f.tar: torn"), 1, "error: f.tar: torn\n"),
        (DatasetError("x.parquet: torn"), 1, "error: x.parquet: torn\n"),
        (SourceError("x.tar: gone"), 1, "error: x.tar: gone\n"),
        (TooManyFailures("3 of 4"), 1, "error: 3 of 4\n"),
        (KeyError("oops"), 3, "error: KeyError: 'oops'; this is a bug: --debug shows where\n"),
        (KeyboardInterrupt(), 130, "error: stopped\n"),
    ],
)
def test_errors_are_one_line_and_an_exit_code(
    capsys: pytest.CaptureFixture[str], error: BaseException, code: int, message: str
) -> None:
    with pytest.raises(typer.Exit) as caught, one_line_errors(debug=False):
        raise error
    assert caught.value.exit_code == code
    assert capsys.readouterr().err == message


def test_debug_lets_the_error_through() -> None:
    with pytest.raises(KeyError, match="oops"), one_line_errors(debug=True):
        raise KeyError("oops")


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (999, "999 B"), (999.6, "1 kB"), (20_480, "20.5 kB"), (999_999, "1 MB"), (1.074e9, "1.07 GB")],
)
def test_bytes_for_people(number: float, text: str) -> None:
    assert human_bytes(number) == text


def test_the_verbs_run_as_a_process_and_load_no_torch(dataset: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "shards", "stats", str(dataset), "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["num_samples"] == 8
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "pyarrow" in loaded and not loaded & {"torch", "av", "PIL", "jinja2"}


def test_a_reader_that_goes_away_ends_the_listing_quietly(dataset: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "shards", "ls", str(dataset), "--lines"]
    done = subprocess.run(command, cwd=ROOT, stdout=write, stderr=subprocess.PIPE, text=True, timeout=250)
    os.close(write)
    assert done.returncode == 1 and "Traceback" not in done.stderr


def test_the_number_of_cores_is_what_this_process_may_use() -> None:
    assert 1 <= output.num_cores() <= (os.cpu_count() or 1)
