"""`python -m tools transcode`: help, summary, exit codes, and a killed process that goes on."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from shards.base.engines import threads
from tests.tools.building.test_build import files
from tests.tools.commands.command_line import CHEAP, ROOT, invoke
from tests.tools.test_transcode import SMALL, write_source
from tools.media.profiles import PROFILES
from tools.transcode import transcode_dataset

KILLED = """
import sys
from tests.tools.watching import watch
from shards.base.engines import threads
from tools.media.profiles import VideoProfile
from tools.transcode import transcode_dataset

def wait(done, bad):
    if done == 6:
        print("six samples are written", flush=True)
        sys.stdin.read()

profile = VideoProfile(short_side=48, gop=4)
transcode_dataset(*sys.argv[1:], "h264_256", profile, samples_per_shard=4, compared=0, progress=watch(wait))
"""


@pytest.mark.long
def test_a_killed_run_goes_on_with_the_command_to_the_same_bytes(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source")
    options = ["--short-side", "48", "--gop", "4", "--samples-per-shard", "4", "--compare", "0"]
    arguments = ["transcode", str(source), str(tmp_path / "out"), *options]
    words = [sys.executable, "-c", KILLED, str(source), str(tmp_path / "out")]
    process = subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "six samples are written\n"
    process.kill()
    process.communicate()
    assert [path.name for path in sorted((tmp_path / "out").glob("*.tar"))] == ["000000.tar"]
    words = [sys.executable, "-m", "tools", *arguments, "--json"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["num_resumed"] == 4
    run_like = transcode_dataset(
        str(source), str(tmp_path / "whole"), "h264_256", SMALL, samples_per_shard=4, compared=0, engine=threads(1)
    )
    assert run_like.quality is None and files(tmp_path / "out") == files(tmp_path / "whole")


def test_the_summary_of_a_transcoding_tells_sizes_quality_and_speed(built: Path, tmp_path: Path) -> None:
    result = invoke(
        "transcode", built, tmp_path / "out", "--profile", "frames_8", "--num-frames", "2", "--compare", "2"
    )
    assert result.exit_code == 0, result.stderr
    table = dict(re.findall(r"│ +([A-Za-z0-9 ,/()]+?) +│ +(\S.*?) │", result.stdout))
    assert table["rows in"] == table["samples"] == "3" and table["quarantined"] == "0"
    before, after = (int(table[f"bytes of media {when}"].split()[0].replace(",", "")) for when in ("before", "after"))
    assert after < before and table["bytes of media after"].endswith(f"({after / before:.2f}x)")
    assert "of 2 samples, 4 frames" in result.stdout
    assert float(table["PSNR, luma, at equal size"].removesuffix(" dB")) > 30
    assert re.fullmatch(r"0\.\d{4} \(0\.\d{4}\)", table["SSIM, mean (worst)"])
    assert re.fullmatch(r"[\d.]+ \([\d.]+x\)", table["clips/s after"])


def test_too_many_quarantined_samples_are_told_by_the_exit_code(built: Path, tmp_path: Path) -> None:
    tar = built / "000000.tar"
    (tmp_path / "spoilt").mkdir()
    for path in built.iterdir():
        (tmp_path / "spoilt" / path.name).write_bytes(path.read_bytes())
    data = bytearray(tar.read_bytes())
    data[200_000] ^= 1
    (tmp_path / "spoilt/000000.tar").write_bytes(data)
    arguments = (tmp_path / "spoilt", tmp_path / "out", *CHEAP, "--max-quarantined", "0", "--compare", "0")
    result = invoke("transcode", *arguments)
    assert result.exit_code == 1, result.output
    assert "error: 1 rows are quarantined, --max-quarantined allows 0" in result.stderr
    assert f"quarantined (all in {tmp_path}/out/quarantine.jsonl):\n  damaged sample: 000000.tar" in result.stdout


def test_the_help_of_transcode_names_every_profile_and_every_field() -> None:
    text = invoke("transcode", "--help").stdout
    for name in PROFILES:
        assert name in text
    for field in {field for profile in PROFILES.values() for field in type(profile).model_fields}:
        assert f"--{field.replace('_', '-')} " in text
