"""One file against a server that cuts, throttles, ignores ranges, changes and lies."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from tests.shards.small_dataset import picture
from tests.tools.fetch.server import Site
from tools.fetch import download
from tools.fetch.addresses import public_resolver
from tools.fetch.download import Downloads, Wanted, check_digest
from tools.fetch.failures import FetchFailed
from tools.fetch.politeness import Manners

QUICK = Manners(delay=0, pause=0.01, read_seconds=5)
DATA = random.Random(0).randbytes(300_000)


@pytest.fixture(autouse=True)
def files(site: Site) -> None:
    site.files = {"a.bin": DATA, "p.png": picture(9)}


def fetch(
    site: Site, path: str, to: Path, manners: Manners = QUICK, max_bytes: int | None = None, **wanted: Any
) -> int:
    async def run() -> int:
        named = {"127.0.0.1"}
        timeout = aiohttp.ClientTimeout(total=None, sock_read=manners.read_seconds)
        connector = aiohttp.TCPConnector(resolver=public_resolver(named))
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False) as session:
            downloads = Downloads(session, manners, max_bytes, named)
            return await downloads.fetch(Wanted(site.url + path, to, **wanted))

    return asyncio.run(run())


def refused(site: Site, path: str, to: Path, **options: Any) -> FetchFailed:
    with pytest.raises(FetchFailed) as caught:
        fetch(site, path, to, **options)
    assert not to.exists()
    return caught.value


@pytest.mark.parametrize("kind", ["ok", "cut", "changed", "plain", "otherrange", "failing", "chunked"])
def test_the_file_comes_whole_whatever_happens_on_the_way(site: Site, tmp_path: Path, kind: str) -> None:
    out = tmp_path / "deep/a.bin"
    digest = f"md5:{hashlib.md5(DATA).hexdigest()}"
    assert fetch(site, f"/{kind}/a.bin", out, num_bytes=len(DATA), digest=digest) == len(DATA)
    assert out.read_bytes() == DATA and [path.name for path in out.parent.iterdir()] == ["a.bin"]
    ranges = [asked.range for asked in site.asked]
    if kind == "cut":
        assert ranges == ["", f"bytes={len(DATA) // 2}-"], "only what was missing is asked for"
    elif kind in ("plain", "failing", "chunked"):
        assert not any(ranges), "without a version nothing is joined"


def test_a_later_run_goes_on_where_the_first_was_cut(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "_NOTED_FROM", 1000)
    once = Manners(delay=0, attempts=1)
    failed = refused(site, "/cut/a.bin", tmp_path / "a.bin", manners=once)
    assert failed.kind == "connection" and not failed.is_lasting
    assert (tmp_path / ".a.bin.part").stat().st_size == len(DATA) // 2
    fetch(site, "/cut/a.bin", tmp_path / "a.bin", manners=once)
    assert (tmp_path / "a.bin").read_bytes() == DATA and site.asked[-1].range == f"bytes={len(DATA) // 2}-"
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


@pytest.mark.parametrize("note", ["{", "[]", '{"url": 3}', '{"url": "%s", "validator": "a\\nb", "total": 5}'])
def test_a_note_that_makes_no_sense_is_not_believed(site: Site, tmp_path: Path, note: str) -> None:
    (tmp_path / ".a.bin.part").write_bytes(b"other bytes" * 9)
    (tmp_path / ".a.bin.part.json").write_text(note.replace("%s", f"{site.url}/ok/a.bin"))
    fetch(site, "/ok/a.bin", tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == DATA and not site.asked[0].range


def test_a_part_that_is_whole_is_put_in_its_place(site: Site, tmp_path: Path) -> None:
    (tmp_path / ".a.bin.part").write_bytes(DATA)
    note = {"url": f"{site.url}/ok/a.bin", "validator": '"1"', "total": len(DATA)}
    (tmp_path / ".a.bin.part.json").write_text(json.dumps(note))
    fetch(site, "/ok/a.bin", tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == DATA and len(site.asked) == 1


@pytest.mark.parametrize(
    ("path", "name", "kind"),
    [
        ("/status/404.png", "a.png", "404 not found"),
        ("/status/410.png", "a.png", "410 gone"),
        ("/status/403.png", "a.png", "401 or 403 denied"),
        ("/status/500.png", "a.png", "server error"),
        ("/everycut/a.bin", "a.bin", "connection"),
        ("/page/a.mp4", "a.mp4", "HTML page"),
        ("/empty/a.mp4", "a.mp4", "empty"),
        ("/gzip/a.png", "a.png", "wrong type"),
        ("/ok/p.png", "p.mp4", "wrong type"),
        ("/to/x?to=/status/404.x", "a.png", "404 not found"),
        (f"/to/x?to={quote('file:///etc/passwd')}", "a.png", "refused address"),
        (f"/to/x?to={quote('http://169.254.169.254/latest')}", "a.png", "refused address"),
        (f"/to/x?to={quote('http://localhost:1/x')}", "a.png", "refused address"),
    ],
)
def test_failures_have_their_kinds_and_leave_nothing(
    site: Site, tmp_path: Path, path: str, name: str, kind: str
) -> None:
    failed = refused(site, path, tmp_path / name)
    assert failed.kind == kind, failed
    assert not list(tmp_path.iterdir())


def test_nobody_home_and_silence_are_told_apart(site: Site, tmp_path: Path) -> None:
    dead = Site(1)
    assert refused(dead, "/ok/a.bin", tmp_path / "a.bin").kind == "connection"
    secure = Site(0)
    secure.url = site.url.replace("http://", "https://")  # it speaks plain http
    failed = refused(secure, "/ok/a.bin", tmp_path / "a.bin")
    assert failed.kind == "TLS" and not failed.is_lasting
    hasty = Manners(delay=0, attempts=2, pause=0.01, read_seconds=0.2)
    assert refused(site, "/held/a.bin", tmp_path / "a.bin", manners=hasty).kind == "timeout"


def test_redirects_in_a_circle_come_to_an_end(site: Site, tmp_path: Path) -> None:
    failed = refused(site, "/circle/a.png", tmp_path / "a.png")
    assert failed.kind == "other status" and "more than 10 times" in str(failed) and len(site.asked) == 11


def test_sizes_and_checksums_that_differ_are_refused(site: Site, tmp_path: Path) -> None:
    out = tmp_path / "a.bin"
    assert refused(site, "/ok/a.bin", out, max_bytes=1000).kind == "too large"
    assert refused(site, "/chunked/a.bin", out, max_bytes=1000).kind == "too large"
    assert refused(site, "/ok/a.bin", out, num_bytes=10).kind == "too large"
    assert refused(site, "/ok/a.bin", out, num_bytes=len(DATA) + 1).kind == "wrong checksum"
    failed = refused(site, "/ok/a.bin", out, digest="md5:" + "0" * 32)
    assert failed.kind == "wrong checksum" and "the release says 000" in str(failed)
    assert not list(tmp_path.iterdir())
    (tmp_path / "b").write_bytes(b"x")
    check_digest(tmp_path / "b", f"sha256:{hashlib.sha256(b'x').hexdigest()}")


def test_a_server_that_cuts_every_answer_at_the_same_place_is_given_up(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "_NOTED_FROM", 1000)  # each attempt brings more, but no more than the one before
    assert refused(site, "/halves/a.bin", tmp_path / "a.bin").kind == "connection"
    assert len(site.asked) == QUICK.attempts


def test_a_server_that_asks_for_time_gets_it(site: Site, tmp_path: Path) -> None:
    fetch(site, "/busy/a.bin?for=1", tmp_path / "a.bin")
    first, second = site.asked
    assert second.time - first.time >= 1.0
    begin = time.monotonic()
    site.counts.clear()
    failed = refused(site, "/busy/a.bin?for=100000", tmp_path / "b.bin")
    assert failed.kind == "429 or 503 throttled" and not failed.is_lasting and time.monotonic() - begin < 5
