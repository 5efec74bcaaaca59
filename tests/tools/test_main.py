"""The command line: exit codes, one-line errors with the remedy, help, summary, and a killed process that goes on."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from tools.__main__ import PROFILE_FIELDS, _check_options, app
from tools.datasets import DATASETS, webvid
from tools.media import PROFILES
from tools.rows import BadRow, OptionError, Row

ROOT = Path(__file__).resolve().parents[2]
CUT_SHORT = """
import sys
from pathlib import Path
from tools.datasets import DATASETS, webvid

def rows(annotations: Path, media: Path):
    for number, row in enumerate(webvid.rows(annotations, media)):
        if number == 12:
            print("twelve rows are out", flush=True)
            sys.stdin.read()
        yield row

DATASETS["webvid"] = rows
from tools.__main__ import app
app()
"""


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["build", *map(str, arguments)])


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "tools", "build", *map(str, arguments)]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=100)


@pytest.fixture
def clips(samples: Path) -> list[str]:
    return ["webvid", "--annotations", str(samples / "webvid/results_2M_train.csv"), "--media", str(samples)]


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

    done = command(*arguments, out, "--json")
    assert (done.returncode, done.stdout.count("\n")) == (0, 1), done.stderr
    report = json.loads(done.stdout)
    assert (report["rows_in"], report["rows_resumed"], report["samples"], report["shards"]) == (24, 8, 24, 12)

    assert invoke(*arguments, whole).exit_code == 0
    assert {p.name: p.read_bytes() for p in out.iterdir()} == {p.name: p.read_bytes() for p in whole.iterdir()}

    again = invoke(*arguments, out)
    assert again.exit_code == 1
    assert again.stderr.splitlines()[-1] == (
        f"error: {out}: holds a finished dataset already; choose another place, or delete it to build it again"
    )


def test_the_summary_says_what_became_of_every_row(samples: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    lines = (samples / "webvid/results_2M_train.csv").read_text().splitlines()
    path.write_text("\n".join([*lines[:3], ",x,x,x,no id", "7,x,x,x,[no] media", lines[1]]) + "\n")
    arguments = ["webvid", "--annotations", path, "--media", samples, "--out"]
    result = invoke(*arguments, tmp_path / "out", "--max-quarantined", "3")
    assert result.exit_code == 0, result.stderr
    table = dict(re.findall(r"│ +([a-z ]+?) +│ +([\d,.]+) │", result.stdout))
    assert table.items() >= {"rows in": "5", "samples": "2", "rows quarantined": "3", "records dropped": "0"}.items()
    assert table.items() >= {"malformed line": "1", "media not found": "1", "duplicate key": "1"}.items()
    assert "media not found: a.csv line 5: video '7': no file under" in result.stdout
    assert f"quarantined (all in {tmp_path}/out/quarantine.jsonl):" in result.stdout

    too_many = invoke(*arguments, tmp_path / "again", "--max-quarantined", "2", "--json")
    assert too_many.exit_code == 3
    assert "error: 3 rows were quarantined, --max-quarantined allows 2" in too_many.stderr
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
            "webvid takes no --num-clips; it takes --annotations, --media, --id-",
        ),
        (["webvid", "--out", out], 2, "webvid needs --annotations, --media; see python -m tools build --help"),
        (
            ["webvidd", "--out", out],
            2,
            "no dataset is called 'webvidd'; did you mean 'webvid'? known: activitynet_qa, cc3m",
        ),
        (on(tmp_path / "train.pkl"), 1, f"{tmp_path}/train.pkl: pickles are not read"),
        (on(tmp_path / "no.csv"), 2, f"{tmp_path}/no.csv: no such file; check --annotations"),
        (on(tmp_path / "head.csv"), 1, "head.csv: holds no rows; give"),
        (
            [*clips[:3], "--media", tmp_path, "--out", tmp_path / "lost"],
            1,
            "results_2M_train.csv: none of its 24 rows gave a sample, so there is no dataset; the first ones: media",
        ),
        ([*clips[:3], "--media", tmp_path / "no", "--out", out], 2, f"{tmp_path}/no: no such folder; check --media"),
        ([*clips, "--split", "train", "--out", out], 2, f"{clips[2]}: --split is for VIOLET's json"),
        (["shapes", "--split", "tren", "--num-clips", "1", "--out", out], 2, "--split 'tren' is unknown; choose one"),
    ]
    for arguments, code, message in cases:
        result = invoke(*arguments)
        assert result.exit_code == code, arguments
        assert result.stderr.splitlines()[-1].startswith(f"error: {message}"), result.stderr
        assert "Traceback" not in result.stderr and not result.stdout
        assert not out.exists()


def test_a_process_reports_errors_by_exit_code_and_stderr(tmp_path: Path) -> None:
    unknown = command("msrvtt", "--out", tmp_path / "out")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert unknown.stderr.startswith("error: no dataset is called 'msrvtt'; did you mean 'msrvtt_qa'?")
    assert unknown.stderr.count("\n") == 1
    assert command("webvid").returncode == 2, "wrong usage"


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    result = invoke("nothing", "--out", tmp_path / "out", "--debug")
    assert "no dataset is called 'nothing'" in str(result.exception)


def test_interrupting_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, clips: list[str], tmp_path: Path) -> None:
    def rows(annotations: Path, media: Path) -> Iterator[Row | BadRow]:
        yield from list(webvid.rows(annotations, media))[:8]
        raise KeyboardInterrupt

    monkeypatch.setitem(DATASETS, "webvid", rows)
    result = invoke(*clips, "--out", tmp_path / "out", "--samples-per-shard", "2")
    assert result.exit_code == 130
    assert "error: stopped; finished shards stay, the same command goes on after them" in result.stderr
    assert len(list((tmp_path / "out").glob("*.tar"))) == 2


def test_a_bug_is_called_a_bug(monkeypatch: pytest.MonkeyPatch, clips: list[str], tmp_path: Path) -> None:
    def rows(annotations: Path, media: Path) -> Iterator[Row]:
        raise ZeroDivisionError("oops")

    monkeypatch.setitem(DATASETS, "webvid", rows)
    result = invoke(*clips, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == "error: ZeroDivisionError: oops; this is a bug: --debug shows where"


def test_options_are_checked_against_what_a_dataset_takes() -> None:
    def rows(split: str, seed: int = 0) -> None: ...

    _check_options("shapes", rows, {"split": "train"})
    with pytest.raises(OptionError, match=r"shapes needs --split; see"):
        _check_options("shapes", rows, {"seed": 1})
    with pytest.raises(OptionError, match=r"shapes takes no --id-map; it takes --split, --seed"):
        _check_options("shapes", rows, {"split": "train", "id_map": Path("x")})


def test_every_parameter_of_every_dataset_is_an_option_of_the_command() -> None:
    text = invoke("--help").stdout
    for name, rows in DATASETS.items():
        assert re.search(rf"^ +{name} ", text, re.MULTILINE), name
        for parameter in inspect.signature(rows).parameters:
            assert f"--{parameter.replace('_', '-')} " in text, (name, parameter)


def test_help_teaches_with_examples_whose_files_are_there() -> None:
    text = invoke("--help").stdout
    examples = re.findall(r"python -m tools build ((?:.*\\\n)*.*)", text)
    assert len(examples) >= 4
    for example in examples:
        name, *words = example.replace("\\\n", " ").split()
        options: dict[str, Any] = dict(zip(words[::2], words[1::2], strict=True))
        assert name in {*DATASETS, "shapes"}
        for option in ("--annotations", "--media", "--id-map"):
            assert option not in options or (ROOT / options[option]).exists(), example


# ------------------------------------------------------------ media profiles


def transcoded(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["transcode", *map(str, arguments)])


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first three clips of the samples as a dataset."""
    out = tmp_path_factory.mktemp("built") / "webvid"
    arguments = ["--annotations", ROOT / "samples/webvid/results_2M_train.csv", "--media", ROOT / "samples"]
    assert invoke("webvid", *arguments, "--limit", "3", "--out", out).exit_code == 0
    return out


CHEAP = ("--every", "20", "--short-side", "32")


def test_building_with_a_profile_gives_the_shards_of_building_and_transcoding(
    built: Path, clips: list[str], tmp_path: Path
) -> None:
    at_once = invoke(*clips, "--limit", "3", "--media-profile", "h264_256", *CHEAP, "--out", tmp_path / "a")
    assert at_once.exit_code == 0, at_once.stderr
    later = transcoded(built, tmp_path / "b", "--profile", "h264_256", *CHEAP, "--json")
    assert later.exit_code == 0, later.stderr
    for name in ("000000.tar", "index.parquet", "shards.parquet"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    said = [json.loads((tmp_path / place / "dataset.json").read_text())["provenance"] for place in "ab"]
    assert said[0]["media_profile"] == said[1]["profile"] == json.loads(later.stdout)["profile"]
    assert said[0]["media_profile"].items() >= {"name": "h264_256", "every": 20, "short_side": 32}.items()


def test_the_summary_of_a_transcoding_tells_sizes_quality_and_speed(built: Path, tmp_path: Path) -> None:
    result = transcoded(built, tmp_path / "out", "--profile", "frames_8", "--num-frames", "2", "--compare", "2")
    assert result.exit_code == 0, result.stderr
    table = dict(re.findall(r"│ +([A-Za-z0-9 ,/()]+?) +│ +(\S.*?) │", result.stdout))
    assert table["samples in"] == table["samples"] == "3" and table["samples quarantined"] == "0"
    before, after = (int(table[f"bytes of media {when}"].split()[0].replace(",", "")) for when in ("before", "after"))
    assert after < before and table["bytes of media after"].endswith(f"({after / before:.2f}x)")
    assert "of 2 samples, 4 frames" in result.stdout
    assert float(table["PSNR, luma, at equal size"].removesuffix(" dB")) > 30
    assert re.fullmatch(r"0\.\d{4} \(0\.\d{4}\)", table["SSIM, mean (worst)"])
    assert re.fullmatch(r"[\d.]+ \([\d.]+x\)", table["clips/s after"])


def test_errors_of_profiles_are_one_line(built: Path, clips: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    cases: list[tuple[Result, int, str]] = [
        (transcoded(built, out, "--profile", "h266"), 2, "no media profile is called 'h266'; known: h264_256, "),
        (transcoded(built, out, "--num-frames", "8"), 2, "profile h264_256 takes no --num-frames; it takes --short-"),
        (transcoded(built, out, "--quality", "60"), 2, "profile h264_256: quality 60 is beyond 51"),
        (transcoded(tmp_path, out), 2, f"{tmp_path}/dataset.json: not found; either no dataset was built here, or"),
        (invoke(*clips, "--out", out, "--gop", "4"), 2, "--gop: say with --media-profile what to make of media"),
        (invoke(*clips, "--out", out, "--media-profile", "x"), 2, "no media profile is called 'x'; known: h264_256"),
    ]
    for result, code, message in cases:
        assert result.exit_code == code, result.output
        assert result.stderr.splitlines()[-1].startswith(f"error: {message}"), result.stderr
    assert not out.exists()
    assert transcoded(built, built).exit_code == 1


def test_too_many_quarantined_samples_are_told_by_the_exit_code(built: Path, tmp_path: Path) -> None:
    tar = built / "000000.tar"
    (tmp_path / "spoilt").mkdir()
    for path in built.iterdir():
        (tmp_path / "spoilt" / path.name).write_bytes(path.read_bytes())
    data = bytearray(tar.read_bytes())
    data[200_000] ^= 1
    (tmp_path / "spoilt/000000.tar").write_bytes(data)
    arguments = (tmp_path / "spoilt", tmp_path / "out", *CHEAP, "--max-quarantined", "0", "--compare", "0")
    result = transcoded(*arguments)
    assert result.exit_code == 3, result.output
    assert "error: 1 samples were quarantined, --max-quarantined allows 0" in result.stderr
    assert f"quarantined (all in {tmp_path}/out/quarantine.jsonl):\n  damaged sample: 000000.tar" in result.stdout


def test_the_help_of_transcode_names_every_profile_and_every_field() -> None:
    text = CliRunner().invoke(app, ["transcode", "--help"]).stdout
    for name in PROFILES:
        assert name in text
    assert set(PROFILE_FIELDS) == {field for profile in PROFILES.values() for field in type(profile).model_fields}
    for field in PROFILE_FIELDS:
        assert f"--{field.replace('_', '-')} " in text
