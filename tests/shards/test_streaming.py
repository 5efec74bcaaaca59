"""The whole way from a bucket to batches: over a real S3 server, and over a line that breaks, nothing is lost.

A dataset is read by the loader from this machine and from the bucket; what comes must be the same, bytes included.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shards.base.errors import AccessDenied, DatasetError, MissingFile, SourceError
from shards.loader.loader import Loader
from shards.storage.open import open_source
from shards.storage.stores import store as stores
from tests.servers.proxy import FaultProxy, Faults
from tests.servers.s3 import S3Server
from tests.shards.foreign_tars import img2dataset_files, write_tar
from tests.shards.http_store import HURRY
from tests.shards.small_dataset import config, encode, wait_for_shards, write_dataset

ROOT = Path(__file__).parents[2]
NUM_SAMPLES, PER_SHARD, BATCH = 48, 4, 16
ELEMENTS = 2 * NUM_SAMPLES  # records by sample: 2, 1, 3
PASS = ELEMENTS // BATCH
SHARD = r"GET /.*/000003\.tar"

Seen = list[tuple[str, str, int, bytes]]


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 shards, small enough for hundreds of requests in seconds."""
    return write_dataset(tmp_path_factory.mktemp("streaming"), "toy", NUM_SAMPLES, per_shard=PER_SHARD)


@pytest.fixture(params=["moto", pytest.param("rgw", marks=pytest.mark.long)])
def server(request: pytest.FixtureRequest) -> S3Server:
    return request.getfixturevalue({"moto": "s3_server", "rgw": "rgw"}[request.param])


@pytest.fixture
def proxy(server: S3Server, use_s3: Callable[..., None]) -> Iterator[FaultProxy]:
    """What stands between this process, its children and the server; it does nothing yet."""
    with FaultProxy(server.address) as running:
        use_s3(server, endpoint=running.endpoint)
        yield running


@pytest.fixture
def bucket(server: S3Server, proxy: FaultProxy, local: Path) -> str:
    """The URL of a copy of the dataset."""
    client, prefix = server.client(), f"streaming/{local.parent.name}"
    if not client.list_objects_v2(Bucket=server.bucket, Prefix=prefix).get("KeyCount"):
        for file in sorted(local.iterdir()):
            client.upload_file(str(file), server.bucket, f"{prefix}/{file.name}")
    return f"s3://{server.bucket}/{prefix}"


@pytest.fixture
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed is tried again soon."""
    monkeypatch.setattr(stores, "WAITS", HURRY)


def elements(
    path: str | Path,
    num_batches: int,
    between: Callable[[int], None] = lambda number: None,
    traffic: dict[str, float] | None = None,
    patient: bool = False,
    **fields: Any,
) -> Seen:
    """(shard and key, caption, drawn number, pixels) of every element of so many training batches.

    between: called with the number of each batch before it is asked for. traffic: is given what was counted. patient:
    wait after each batch for its shards, so that it is no chance which are brought into the cache.
    """
    seen: Seen = []
    with Loader(config(("toy", path), batch_size=BATCH, **fields), 0, 1, encode) as loader:
        for number in range(num_batches):
            between(number)
            batch = next(loader)
            assert batch.valid.all() and not batch.failures
            for origin, meta, frames in zip(batch.origins, batch.meta, batch.frames, strict=True):
                seen.append((str(origin), meta["caption"], meta["drawn"], frames.tobytes()))
            if patient:
                wait_for_shards(loader)
        counts = loader.stats.accounting
        if traffic is not None:
            traffic.update(loader.stats.snapshot().traffic)
    assert (counts.planned, counts.delivered, counts.failed) == (num_batches * BATCH, num_batches * BATCH, 0)
    return seen


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=ROOT, env=os.environ.copy(), capture_output=True, text=True, check=False)


# ---- a good line


@pytest.mark.long
def test_shards_are_made_checked_and_listed_in_a_bucket(server: S3Server, proxy: FaultProxy, tmp_path: Path) -> None:
    url = f"s3://{server.bucket}/{tmp_path.name}"
    rows = ["--annotations", "samples/cc3m/cc3m.json", "--media", "samples", "--samples-per-shard", "4"]
    told = []
    for out in (f"{url}/cc3m", str(tmp_path / "cc3m")):
        done = call("tools", "build", "cc3m", *rows, "--out", out, "--json")
        assert done.returncode == 0, done.stderr
        told.append({**json.loads(done.stdout), "seconds": 0, "out": ""})
    assert told[0] == told[1] and told[0]["num_shards"] > 1
    files = sorted(file.name for file in (tmp_path / "cc3m").iterdir() if file.name != "dataset.json")
    there = open_source(f"{url}/cc3m")
    assert [name for name in there.list() if name != "dataset.json"] == files
    assert all(there.read(name) == (tmp_path / "cc3m" / name).read_bytes() for name in files)
    checked = call("shards", "verify", f"{url}/cc3m", "--decode", "--json")
    assert checked.returncode == 0, checked.stderr
    listed = call("shards", "ls", f"{url}/cc3m", "--limit", "0", "--lines")
    assert len(listed.stdout.splitlines()) == told[0]["num_samples"]


@pytest.mark.long
def test_tars_of_others_are_indexed_in_a_bucket(server: S3Server, proxy: FaultProxy, tmp_path: Path) -> None:
    keys = [[f"{shard:05d}{number:04d}" for number in range(3)] for shard in range(2)]
    for shard, names in enumerate(keys):
        tar = write_tar(tmp_path / f"{shard:05d}.tar", img2dataset_files(names))
        server.client().upload_file(str(tar), server.bucket, f"{tmp_path.name}/{tar.name}")
    url = f"s3://{server.bucket}/{tmp_path.name}"
    done = call("shards", "index", f"{url}/{{00000..00001}}.tar", "--media", "--json")
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert (counts["num_shards"], counts["num_samples"], counts["num_quarantined"]) == (2, 6, 0)
    assert call("shards", "verify", url).returncode == 0


def test_a_bucket_gives_what_the_folder_gives(bucket: str, local: Path) -> None:
    assert elements(bucket, PASS) == elements(local, PASS)


def test_through_a_cache_every_shard_is_asked_for_once(
    bucket: str, local: Path, proxy: FaultProxy, tmp_path: Path
) -> None:
    cache = {"folder": str(tmp_path), "limit": 10**8}
    expected = elements(local, 3 * PASS)
    proxy.forget()
    counted: dict[str, float] = {}
    assert elements(bucket, 3 * PASS, traffic=counted, patient=True, cache=cache) == expected
    sizes = {file.name: file.stat().st_size for file in local.glob("*.tar")}
    wholes = [entry for entry in proxy.log() if entry.sent == sizes.get(entry.path.rpartition("/")[2])]
    assert len(wholes) == len(sizes) == counted["cache_parts"] and counted["cache_bytes"] == sum(sizes.values())
    assert counted["cache_hits"] > 0 and counted["cache_ranges_no_room"] == counted["cache_ranges_other"] == 0
    proxy.forget()
    assert elements(bucket, PASS, cache=cache) == expected[: PASS * BATCH]
    assert not [entry for entry in proxy.log() if entry.method == "GET" and entry.path.endswith(".tar")]


# ---- a bad line


SLOW = {"hang": 0.1, "silent": 0.1, "drip": 0.1}  # so much that each is met among some sixty requests


@pytest.mark.parametrize(
    "rates",
    [
        {"503": 0.15},
        {"cut": 0.15},
        pytest.param({"reset": 0.15, "500": 0.15}, marks=pytest.mark.long),
        pytest.param(SLOW, marks=pytest.mark.long),
    ],
    ids=lambda rates: "+".join(rates),
)
@pytest.mark.parametrize("cached", [False, True], ids=["diskless", "cached"])
def test_no_element_is_lost_or_repeated(
    bucket: str,
    local: Path,
    proxy: FaultProxy,
    in_a_hurry: None,
    rates: dict[str, float],
    cached: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxy.faults = Faults(rates=rates)
    if rates is SLOW:  # what hangs is given up after a second
        monkeypatch.setattr(stores, "WAITS", HURRY._replace(read=1.0, connect=1.0))
    # with a cache that all shards do not fit into, so that they are brought again and again
    cache = {"folder": str(tmp_path), "limit": 120_000} if cached else None
    seen = elements(bucket, 2 * PASS, cache=cache)
    assert seen == elements(local, 2 * PASS)
    first, second = ([(key, caption) for key, caption, _, _ in seen[i : i + ELEMENTS]] for i in (0, ELEMENTS))
    assert len(set(first)) == ELEMENTS and sorted(first) == sorted(second), "a pass has every element once"
    met = proxy.counters()["faults"]
    assert set(met) == set(rates), "or this test tested nothing"


def test_what_a_line_damages_does_not_get_into_the_cache(
    bucket: str, local: Path, proxy: FaultProxy, tmp_path: Path
) -> None:
    proxy.faults = Faults(rates={"flip": 1.0}, only=r"tar.* bytes=0-", at_most=3)
    expected = elements(local, 3 * PASS)
    assert elements(bucket, 3 * PASS, patient=True, cache={"folder": str(tmp_path), "limit": 10**8}) == expected
    assert proxy.counters()["faults"] == {"flip": 3}
    kept = {file.read_bytes() for file in tmp_path.glob("*.tar")}
    assert kept <= {file.read_bytes() for file in local.glob("*.tar")} and len(kept) >= 9


def test_a_line_that_gets_better_is_waited_for(bucket: str, local: Path, proxy: FaultProxy, in_a_hurry: None) -> None:
    def storm(number: int) -> None:
        if number == 3:
            proxy.faults = Faults(rates={"503": 1.0}, at_most=12)

    # without a look-ahead, or its requests might all have been answered before
    assert elements(bucket, PASS, storm, prefetch_batches=0) == elements(local, PASS)
    assert proxy.counters()["faults"] == {"503": 12}


def test_a_line_that_does_not_get_better_ends_the_run_with_the_reason(
    bucket: str, proxy: FaultProxy, in_a_hurry: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MCG_SOURCE_DEADLINE", "8")  # for a first answer of a busy machine too
    with Loader(config(("toy", bucket), batch_size=BATCH), 0, 1, encode) as loader:
        next(loader)
        proxy.faults = Faults(rates={"503": 1.0})
        match = r"(SlowDown|503).* tried \d+ times in \d+ s.*MCG_SOURCE_DEADLINE"
        with pytest.raises(SourceError, match=match) as raised:
            for _ in range(PASS):
                next(loader)
        state = loader.state_dict()
        proxy.faults = Faults()
        assert next(loader).valid.all() and loader.state_dict() != state, "the loader goes on when the store does"
    assert "while the loader was at read of" in "".join(raised.value.__notes__)


# ---- a store that says no


@pytest.mark.parametrize("wrong", ["key", "secret"])
def test_wrong_keys_are_told_at_once(
    server: S3Server, proxy: FaultProxy, bucket: str, use_s3: Callable[..., None], wrong: str
) -> None:
    use_s3(server, endpoint=proxy.endpoint, **{wrong: "wrong"})
    what = "AWS_ACCESS_KEY_ID is not known there" if wrong == "key" else "AWS_SECRET_ACCESS_KEY does not belong"
    proxy.forget()
    for ask in (lambda s: s.read("dataset.json"), lambda s: s.list(), lambda s: s.stat("dataset.json")):
        with pytest.raises(AccessDenied, match=f"{bucket}.*access refused.*{what}"):
            ask(open_source(bucket))
    with pytest.raises(AccessDenied, match=what):
        Loader(config(("toy", bucket)), 0, 1, encode)
    assert {entry.status for entry in proxy.log()} == {403}
    assert len(proxy.log()) <= 12, "nothing is tried again"


@pytest.mark.parametrize(
    ("kind", "message"),
    [("403", r"access refused \(AccessDenied: .*policy"), ("400", r"access refused \(ExpiredToken: .*get new ones")],
)
def test_access_that_ends_in_the_middle_ends_the_run(
    bucket: str, local: Path, proxy: FaultProxy, kind: str, message: str
) -> None:
    settings = config(("toy", bucket), batch_size=BATCH)
    with Loader(settings, 0, 1, encode) as loader:
        next(loader)
        proxy.forget()
        proxy.faults = Faults(rates={kind: 1.0})
        with pytest.raises(AccessDenied, match=message):
            for _ in range(PASS):
                next(loader)
        ahead = 1 + settings.prefetch_batches + 2
        assert 1 <= sum(entry.fault is not None for entry in proxy.log()) <= ahead * BATCH, "nothing is tried again"
        state = loader.state_dict()
    proxy.faults = Faults()
    with Loader(settings, 0, 1, encode) as resumed:  # with new credentials
        resumed.load_state_dict(state)
        rest = [next(resumed).origins for _ in range(3)]
    with Loader(config(("toy", local), batch_size=BATCH), 0, 1, encode) as whole:
        whole.load_state_dict({**whole.state_dict(), "q": state["q"], "positions": state["positions"]})
        assert [next(whole).origins for _ in range(3)] == rest


def test_a_shard_that_is_gone_is_named(bucket: str, proxy: FaultProxy) -> None:
    with Loader(config(("toy", bucket), batch_size=BATCH), 0, 1, encode) as loader:
        proxy.faults = Faults(rates={"404": 1.0}, only=SHARD.replace("GET", "(GET|HEAD)"))
        with pytest.raises(DatasetError, match=rf"{bucket}/000003\.tar: the index lists this shard, but it is not "):
            for _ in range(PASS):
                next(loader)


def test_a_bucket_that_does_not_exist_is_told_from_a_dataset_that_does_not(server: S3Server, proxy: FaultProxy) -> None:
    with pytest.raises(MissingFile, match="there is no bucket no-such-bucket"):
        open_source("s3://no-such-bucket/toy").read("dataset.json")
    wrong = call("shards", "verify", f"s3://{server.bucket}/nothing-here")
    assert wrong.returncode == 2 and "no dataset here" in wrong.stderr
