"""Many files at once: accounts, what a second run asks for, kills, faults of the machine, and the build afterwards."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.shards.small_dataset import picture
from tests.tools.building.test_build import quarantine
from tests.tools.fetch.server import Site
from tests.tools.media.scenes import video
from tests.tools.watching import watch
from tools.building.build import build
from tools.datasets.pretraining import cc3m
from tools.fetch import fetch as module
from tools.fetch.download import Wanted
from tools.fetch.fetch import fetch_files, fetch_media
from tools.fetch.politeness import Manners
from tools.rows import OptionError

ROOT = Path(__file__).resolve().parents[3]
QUICK = Manners(delay=0, pause=0.01, attempts=3, per_host=8)
LOCAL = {"127.0.0.1"}


def write_list(site: Site, path: Path) -> Path:
    """Nine pictures that come, and one of each way to fail."""
    site.files = {f"{number}.png": picture(number) for number in range(9)}
    urls = [f"{site.url}/ok/{number}.png" for number in range(8)]
    urls += [
        f"{site.url}/{end}"
        for end in ("status/404.jpg", "page/x.jpg", "empty/x.jpg", "status/500.jpg", "busy/8.png?for=0")
    ]
    urls += ["http://10.0.0.1/x.jpg", "http://no-such-host.invalid/x.jpg"]
    path.write_text("".join(f"caption {number}\t{url}\n" for number, url in enumerate(urls)) + "a line without\n")
    return path


EXPECTED = {
    "404 not found": 1,
    "HTML page": 1,
    "empty": 1,
    "server error": 1,
    "refused address": 1,
    "unknown host": 1,
    "malformed line": 1,
}


@pytest.fixture
def no_such_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking for a name that nobody has takes seconds on some networks."""
    ask = socket.getaddrinfo

    def look_up(host: Any, *more: Any, **options: Any) -> Any:
        if host == "no-such-host.invalid":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return ask(host, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


@pytest.mark.usefixtures("no_such_host")
def test_every_row_is_accounted_for_and_a_second_run_asks_only_what_may_have_changed(
    site: Site, tmp_path: Path
) -> None:
    path, out = write_list(site, tmp_path / "list.tsv"), tmp_path / "out"
    seen: list[tuple[int, int]] = []
    report = fetch_media(
        "cc3m", path, out, manners=QUICK, named=LOCAL, progress=watch(lambda *now: seen.append(now)), agent="me (mail)"
    )
    assert (report.num_rows, report.num_fetched, report.num_there, report.num_failed) == (16, 9, 0, 7)
    assert report.failed == EXPECTED and seen[-1] == (16, 7)
    assert report.bytes >= sum(map(len, site.files.values())) and json.dumps(report.to_dict())
    assert {asked.agent for asked in site.asked} == {"me (mail)"}
    lines = [json.loads(line) for line in (out / "fetch-list.jsonl").read_text().splitlines()[1:]]
    assert len(lines) == 7 and {line["kind"] for line in lines} == EXPECTED.keys()
    assert next(line["url"] for line in lines if line["kind"] == "404 not found") == f"{site.url}/status/404.jpg"

    site.asked.clear()
    again = fetch_media("cc3m", path, out, manners=QUICK, named=LOCAL)
    assert (again.num_fetched, again.num_there, again.num_failed) == (0, 9, 7)
    assert again.failed == {"dead before": 4, "server error": 1, "unknown host": 1, "malformed line": 1}
    assert {asked.path for asked in site.asked} == {"/status/500.jpg"}
    once_more = fetch_media("cc3m", path, out, manners=QUICK, named=LOCAL, retry_all=True)
    assert once_more.failed == EXPECTED

    built = build(cc3m.rows(path, out), str(tmp_path / "built"), "cc3m", path.name)
    assert (built.num_samples, built.num_rows) == (9, 16) and len(quarantine(tmp_path / "built")) == 7


def test_hosts_of_this_network_are_not_asked_unless_they_are_named(site: Site, tmp_path: Path) -> None:
    path = write_list(site, tmp_path / "list.tsv")
    report = fetch_media("cc3m", path, tmp_path / "out", manners=QUICK, limit=8)
    assert report.failed == {"refused address": 8} and not site.asked


def test_no_spelling_of_this_machine_is_asked(site: Site, tmp_path: Path) -> None:
    port = site.url.rpartition(":")[2]
    hosts = ("127.1", "2130706433", "0x7f.1", "0x7f000001", "017700000001", "１２７.0.0.1", "127。0。0。1", "localhost")
    more = (
        "[::ffff:127.0.0.1]",
        "0",
        "0.0.0.0",
        "LOCALHOST",
        "localhost.",
        "example.org@127.0.0.1",
        "127.0.0.1#@a.org",
    )
    path = tmp_path / "list.tsv"
    path.write_text("".join(f"c\thttp://{host}:{port}/ok/0.png\n" for host in (*hosts, *more)), encoding="utf-8")
    report = fetch_media("cc3m", path, tmp_path / "out", manners=Manners(delay=0, attempts=1, connect_seconds=3))
    assert not site.asked and report.num_failed == len(hosts) + len(more)
    assert report.failed["refused address"] >= len(hosts)


def test_a_file_in_the_place_of_a_folder_costs_its_row_only(site: Site, tmp_path: Path) -> None:
    site.files = {"a.mp4": video(3)}
    path = tmp_path / "w.csv"
    rows = "".join(f"{key},{site.url}/ok/a.mp4,PT1S,{page},c\n" for key, page in (("a", ""), ("b", "a.mp4"), ("c", "")))
    path.write_text(f"videoid,contentUrl,duration,page_dir,name\n{rows}")
    (tmp_path / "out/c.mp4").mkdir(parents=True)
    report = fetch_media("webvid", path, tmp_path / "out", manners=Manners(delay=0, jobs=1), named=LOCAL)
    assert (report.num_fetched, report.failed) == (1, {"refused address": 2})


def test_one_host_gets_few_requests_at_once(site: Site, tmp_path: Path) -> None:
    path = write_list(site, tmp_path / "list.tsv")
    fetch_media("cc3m", path, tmp_path / "out", manners=Manners(delay=0, per_host=2, jobs=16), named=LOCAL, limit=8)
    assert site.most <= 2


def test_files_named_by_row_number_are_not_mixed(site: Site, tmp_path: Path) -> None:
    path = write_list(site, tmp_path / "list.tsv")
    fetch_media("cc3m", path, tmp_path / "out", manners=QUICK, named=LOCAL, limit=2)
    other = tmp_path / "val.tsv"
    other.write_text("a\thttp://127.0.0.1/x.jpg\n")
    with pytest.raises(OptionError, match=r"holds what fetch-list\.jsonl is about; .* choose another --out"):
        fetch_media("cc3m", other, tmp_path / "out", manners=QUICK)


KILLED = """
import sys
sys.path.insert(0, {root!r})
from pathlib import Path
from tools.fetch import download
from tools.fetch.fetch import fetch_media
from tools.fetch.politeness import Manners
download._NOTED_FROM = 1000
fetch_media("webvid", Path({path!r}), Path({out!r}), manners=Manners(delay=0), named={{"127.0.0.1"}})
"""


@pytest.mark.long  # a process of its own
def test_a_run_that_is_killed_in_the_middle_of_files_goes_on(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = video(12, (72, 96)) + bytes(1 << 20)
    site.files = {f"{number}.mp4": clip for number in range(4)}
    rows = "".join(
        f"{number},{site.url}/{'ok' if number < 2 else 'held'}/{number}.mp4,PT1S,p,caption\n" for number in range(4)
    )
    path, out = tmp_path / "w.csv", tmp_path / "out"
    path.write_text(f"videoid,contentUrl,duration,page_dir,name\n{rows}")
    script = KILLED.format(root=str(ROOT), path=str(path), out=str(out))
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT)
    parts = [out / f"p/.{number}.mp4.part" for number in (2, 3)]
    done = [out / f"p/{number}.mp4" for number in (0, 1)]
    waiting = threading.Event()
    while not (all(p.exists() and p.stat().st_size > 0 for p in parts) and all(p.exists() for p in done)):
        assert process.poll() is None
        waiting.wait(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait(60) == -signal.SIGKILL
    site.gate.set()
    site.asked.clear()
    monkeypatch.setattr("tools.fetch.download._NOTED_FROM", 1000)
    report = fetch_media("webvid", path, out, manners=QUICK, named=LOCAL)
    assert (report.num_fetched, report.num_there, report.num_failed) == (2, 2, 0)
    assert {asked.path for asked in site.asked} == {"/held/2.mp4", "/held/3.mp4"}
    assert all(asked.range for asked in site.asked), "what had come is not fetched again"
    assert sorted(p.name for p in (out / "p").iterdir()) == [f"{number}.mp4" for number in range(4)]
    assert all((out / f"p/{number}.mp4").read_bytes() == clip for number in range(4))


def test_a_full_disk_stops_the_run(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("tools.fetch.download.os.replace", full)
    with pytest.raises(OSError, match="No space left"):
        fetch_media("cc3m", write_list(site, tmp_path / "list.tsv"), tmp_path / "out", manners=QUICK, named=LOCAL)


def test_files_of_a_release_are_checked_and_counted(site: Site, tmp_path: Path) -> None:
    site.files = {"a.zip": b"PK\3\4 not really", "b.csv": b"video_id\n"}
    files = [
        Wanted(f"{site.url}/ok/a.zip", tmp_path / "a.zip", digest="md5:" + "0" * 32),
        Wanted(f"{site.url}/ok/b.csv", tmp_path / "b.csv", num_bytes=9),
        Wanted(f"{site.url}/page/c.zip", tmp_path / "c.zip"),
    ]
    seen: list[int] = []
    progress = watch(lambda done, bad: seen.append(done))
    report = fetch_files("toy", tmp_path, files, manners=QUICK, named=LOCAL, progress=progress)
    assert seen[-1] == report.bytes, "large files show how they come"
    assert (report.num_fetched, report.failed) == (1, {"wrong checksum": 1, "HTML page": 1})
    assert [path.name for path in tmp_path.iterdir()] == ["b.csv"]


def test_two_rows_of_one_file_do_not_write_over_each_other(site: Site, tmp_path: Path) -> None:
    site.files = {"a.gif": (ROOT / "samples/images/bbb_grass.gif").read_bytes()}
    path = tmp_path / "t.tsv"
    path.write_text(f"{site.url}/ok/a.gif\tone\n" * 5)
    report = fetch_media("tgif", path, tmp_path / "out", manners=QUICK, named=LOCAL)
    assert (report.num_fetched, report.num_there) == (1, 4) and len(site.asked) == 1


@pytest.mark.long
def test_memory_does_not_grow_with_rows_that_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tracemalloc

    def peak(number: int) -> int:
        path = tmp_path / f"{number}.tsv"
        path.write_text("".join(f"c\thttp://example.org/{row}.jpg\n" for row in range(number)))
        tracemalloc.start()
        try:
            fetch_media("cc3m", path, tmp_path / f"out{number}", manners=QUICK)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    monkeypatch.setattr(module, "_is_there", lambda path: True)
    peak(10)
    assert peak(4_000) < 1.2 * peak(1_000) + 100_000
