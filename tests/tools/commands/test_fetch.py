"""`python -m tools fetch`: lists, releases from a mirror, media by URL, wrong usage and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.shards.small_dataset import picture
from tests.tools.commands.command_line import invoke
from tests.tools.fetch.server import Site, serving
from tools.fetch.stored import STORED


@pytest.fixture
def site() -> object:
    with serving() as running:
        yield running


def told(code: int, *arguments: str | Path) -> str:
    result = invoke("fetch", *arguments)
    assert result.exit_code == code, result.output
    return result.stderr


def test_the_list_tells_what_there_is_of_each() -> None:
    shown = json.loads(invoke("fetch", "--list", "--json").stdout)
    assert shown["msrvtt"]["without_address"] == ["train_val_videos.zip", "test_videos.zip"]
    assert shown["cc3m"]["media_by_url"] and "Google login" in shown["cc3m"]["by_hand"][0]
    assert "media by URL" in invoke("fetch", "--list").stdout


def test_a_release_comes_from_a_mirror_checked_and_once(site: Site, tmp_path: Path) -> None:
    out, mirror = tmp_path / "raw", f"{site.url}/ok"
    names = [one.name for one in STORED["msrvtt_qa"]]
    site.files = dict.fromkeys(names, b"wrong bytes")
    result = invoke("fetch", "msrvtt_qa", "--out", out, "--from", mirror, "--json")
    report = json.loads(result.stdout)
    assert result.exit_code == 1 and report["failed"] == {"wrong checksum": len(names)}
    assert not [path for path in out.iterdir() if path.name in names]


def test_what_is_to_be_got_by_hand_is_said_with_its_place(tmp_path: Path) -> None:
    result = invoke("fetch", "lsmdc", "--out", tmp_path / "l")
    assert result.exit_code == 1
    assert "sign the agreement" in result.stdout and f"{tmp_path}/l/videos" in result.stdout.replace("\n", "")


def test_a_file_that_was_got_by_hand_is_checked(site: Site, tmp_path: Path) -> None:
    (tmp_path / "train_val_videos.zip").write_bytes(b"PK\3\4 cut off")
    assert "the release says 51f2394d279cf84f1642defd9a651e6f; remove it" in told(1, "msrvtt", "--out", tmp_path)


def test_media_come_and_dead_links_are_counted(site: Site, tmp_path: Path) -> None:
    site.files = {"1.png": picture(1)}
    path = tmp_path / "list.tsv"
    path.write_text(f"one\t{site.url}/ok/1.png\ntwo\t{site.url}/status/404.jpg\n")
    words = ("cc3m", "--annotations", path, "--out", tmp_path / "out", "--private-host", "127.0.0.1", "--delay", "0")
    result = invoke("fetch", *words, "--max-failed", "0")
    assert result.exit_code == 1 and "1 rows have no medium, --max-failed allows 0" in result.stderr
    assert "404 not found" in result.stdout and (tmp_path / "out/00000/000000000.png").exists()
    assert invoke("fetch", *words, "--max-failed", "1").exit_code == 0


def test_wrong_usage_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "list.tsv"
    path.write_text("one\thttp://example.org/1.png\n")
    assert "give the NAME of a dataset" in told(2)
    assert "did you mean msrvtt?" in told(2, "msrvt")
    assert "did you mean webvid?" in told(2, "webvit", "--annotations", path)
    assert "--limit is for media by URL" in told(2, "msvd", "--limit", "3")
    assert "--from is for files of a release" in told(2, "cc3m", "--annotations", path, "--from", "http://x/")
    assert "only http:// and https://" in told(2, "msvd", "--out", tmp_path, "--from", "file:///data")
    assert "no such file" in told(2, "cc3m", "--annotations", tmp_path / "no.tsv")
    assert "printable ASCII" in told(2, "msvd", "--user-agent", "a\nb")
