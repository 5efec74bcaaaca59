"""Media profiles on the command line: build and transcode make the same of them, and refuse the same."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import Result

from tests.tools.commands.command_line import CHEAP, invoke


def test_building_with_a_profile_gives_the_shards_of_building_and_transcoding(
    built: Path, clips: list[str], tmp_path: Path
) -> None:
    at_once = invoke("build", *clips, "--limit", "3", "--media-profile", "h264_256", *CHEAP, "--out", tmp_path / "a")
    assert at_once.exit_code == 0, at_once.stderr
    later = invoke("transcode", built, tmp_path / "b", "--profile", "h264_256", *CHEAP, "--json")
    assert later.exit_code == 0, later.stderr
    for name in ("000000.tar", "index.parquet", "shards.parquet"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    said = [json.loads((tmp_path / place / "dataset.json").read_text())["provenance"] for place in "ab"]
    assert said[0]["media_profile"] == said[1]["profile"] == json.loads(later.stdout)["profile"]
    assert said[0]["media_profile"].items() >= {"name": "h264_256", "every": 20, "short_side": 32}.items()


def test_errors_of_profiles_are_one_line(built: Path, clips: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    cases: list[tuple[Result, int, str]] = [
        (
            invoke("transcode", built, out, "--profile", "h266"),
            2,
            "no media profile is called 'h266'; known: h264_256, ",
        ),
        (
            invoke("transcode", built, out, "--num-frames", "8"),
            2,
            "profile h264_256 takes no --num-frames; it takes --short-",
        ),
        (invoke("transcode", built, out, "--quality", "60"), 2, "profile h264_256: quality 60 is beyond 51"),
        (
            invoke("transcode", tmp_path, out),
            2,
            f"{tmp_path}/dataset.json: not found; either no dataset was built here, or",
        ),
        (
            invoke("build", *clips, "--out", out, "--gop", "4"),
            2,
            "--gop: say with --media-profile what to make of media",
        ),
        (
            invoke("build", *clips, "--out", out, "--media-profile", "x"),
            2,
            "no media profile is called 'x'; known: h264_256",
        ),
    ]
    for result, code, message in cases:
        assert result.exit_code == code, result.output
        assert result.stderr.splitlines()[-1].startswith(f"error: {message}"), result.stderr
    assert not out.exists()
    assert invoke("transcode", built, built).exit_code == 1
