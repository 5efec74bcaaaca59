"""A remote source gives exactly the bytes that were asked for, whatever the store does in between, or says why not."""

from __future__ import annotations

import pickle
import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shards.base.errors import AccessDenied, DatasetError, MissingFile, SourceError
from shards.dataset.writing.write_error import WriteError
from shards.dataset.writing.writer import DatasetWriter
from shards.media.facts import MediaFacts
from shards.read.reader import Reader
from shards.storage.remote import RemoteSource
from shards.storage.source import CONNECTIONS
from tests.shards.http_store import HURRY, ONCE, HttpStore
from tests.shards.row_groups import regroup

DATA = bytes(range(256)) * 8
FAULTS = [500, 502, 503, 429, 408, "cut", "short", "hang", "drip"]


@pytest.fixture
def store() -> Iterator[HttpStore]:
    with HttpStore().running() as store:
        store.files["/data/a.tar"] = DATA
        store.files["/data/empty"] = b""
        yield store


def source_at(store: HttpStore, deadline: float | None = None, **waits: float) -> RemoteSource:
    return RemoteSource(f"{store.url}/data", deadline, waits=HURRY._replace(**waits))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_passes_costs_no_byte(store: HttpStore, fault: int | str) -> None:
    source = source_at(store, **{"hang": {"read": 0.2}, "drip": {"read": 0.2, "connect": 0.2}}.get(str(fault), {}))
    store.faults.extend([fault, fault])
    assert source.read("a.tar", 100, 50) == DATA[100:150]
    counted = source.traffic.snapshot()
    assert counted["range"] == counted["retries"] + 1 and counted["bytes"] == 50
    if fault in ("hang", "drip"):  # a good answer may take longer than that too, and is then asked for again
        assert counted["retries"] >= 2
    else:
        assert len(store.requests) == counted["range"] == 3
    assert (counted["seconds_throttled"] > 0) == (fault in (429, 503))


def test_a_large_range_comes_in_order_and_goes_on_where_it_was_cut(store: HttpStore) -> None:
    source = source_at(store)
    store.faults.extend([503, "cut", "short", "cut"])
    pieces: list[tuple[int, bytes]] = []
    assert source.fetch("a.tar", 100, 1000, lambda at, data: pieces.append((at, data))) == 1000
    assert b"".join(data for _, data in pieces) == DATA[100:1100]
    assert [at for at, _ in pieces] == [100 + sum(len(data) for _, data in pieces[:n]) for n in range(len(pieces))]
    assert [range_ for _, _, range_ in store.requests] == [
        *["bytes=100-1099"] * 2,
        *["bytes=600-1099"] * 2,
        "bytes=850-1099",
    ]
    counted = source.traffic.snapshot()
    assert (counted["part"], counted["range"], counted["bytes"]) == (5, 0, 1000)
    assert source.fetch("a.tar", 2000, 500, lambda at, data: None) == 48

    def full(at: int, data: bytes) -> None:
        raise RuntimeError("no room")

    with pytest.raises(RuntimeError, match="no room"):
        source.fetch("a.tar", 0, 10, full)


def test_the_same_range_of_two_elements_is_asked_for_once(store: HttpStore) -> None:
    source = source_at(store)
    ranges = [("a.tar", 3, 5), ("a.tar", 0, 2), ("a.tar", 3, 5)]
    assert source.read_many(ranges) == [DATA[3:8], DATA[:2], DATA[3:8]]
    assert len(store.requests) == 2


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ranges=st.lists(st.tuples(st.integers(0, 2100), st.integers(0, 300)), max_size=12),
    faults=st.lists(st.sampled_from([500, 503, "cut", "short"]), max_size=12),
)
def test_many_ranges_at_once_are_those_that_were_asked_for(
    store: HttpStore, ranges: list[tuple[int, int]], faults: list[int | str]
) -> None:
    store.faults.clear()
    store.faults.extend(faults)
    source = source_at(store)
    found = source.read_many([("a.tar", offset, length) for offset, length in ranges])
    assert found == [DATA[offset : offset + length] for offset, length in ranges]


def test_many_requests_are_in_flight_at_once_but_not_more_than_allowed(store: HttpStore) -> None:
    source, stat = source_at(store), source_at(store).stat("a.tar")
    gate = threading.Barrier(CONNECTIONS)  # nobody is answered before so many have asked
    store.gate = lambda method, path, range_: gate
    found = source.read_many([("a.tar", i, 2) for i in range(2 * CONNECTIONS)])
    assert found == [DATA[i : i + 2] for i in range(2 * CONNECTIONS)]
    assert source.stat_many(["a.tar"] * CONNECTIONS) == [stat] * CONNECTIONS
    assert store.most_at_once == CONNECTIONS


def test_the_end_of_a_file_is_read_without_knowing_its_size(store: HttpStore) -> None:
    source = source_at(store)
    assert source.read("a.tar", -10) == DATA[-10:] and source.read("a.tar", -9999) == DATA
    assert source.read("empty", -10) == b"" == source.read("empty") == source.read("empty", 0, 5)
    assert source.read("a.tar", len(DATA)) == source.read("a.tar", 9999, 5) == b""
    assert all(method == "GET" for method, _, _ in store.requests) and len(store.requests) == 7
    with pytest.raises(ValueError, match="a negative offset goes without a length"):
        source.read("a.tar", -10, 5)


def test_a_file_that_was_replaced_has_another_version(store: HttpStore) -> None:
    source = source_at(store)
    before = source.stat("a.tar")
    assert before.size == len(DATA) and before.version.startswith("ETag=")
    store.files["/data/a.tar"] = DATA[::-1]
    after = source.stat("a.tar")
    assert after.size == before.size and after.version != before.version


def test_size_without_head(store: HttpStore) -> None:
    source = source_at(store)
    store.faults.append(405)
    assert source.stat("a.tar").size == len(DATA)
    store.faults.append(405)
    assert source.stat("empty").size == 0


@pytest.mark.parametrize("status", [401, 403, 404, 410, 400])
def test_what_will_not_pass_is_said_at_once(store: HttpStore, status: int) -> None:
    store.faults.append(status)
    kind = {401: AccessDenied, 403: AccessDenied, 404: MissingFile, 410: MissingFile, 400: SourceError}[status]
    with pytest.raises(kind, match=rf"127\.0\.0\.1:\d+/data/a\.tar: .*HTTP {status} .*; check the address") as error:
        source_at(store).read("a.tar", 0, 5)
    assert type(error.value) is kind and len(store.requests) == 1


def test_one_of_many_that_fails_is_named_and_the_rest_is_dropped(store: HttpStore) -> None:
    source = source_at(store)
    with pytest.raises(MissingFile, match=r"/data/nothing: not found"):
        source.read_many([("a.tar", 0, 5), ("nothing", 0, 5), ("a.tar", 5, 5)])
    with pytest.raises(MissingFile, match=r"/data/nothing: not found"):
        source.stat_many(["a.tar", "nothing"])
    assert source.read("a.tar", 0, 5) == DATA[:5]


def test_after_the_deadline_the_error_says_how_often_and_why(
    store: HttpStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.faults.extend([500, 500, 503])
    store.headers["Retry-After"] = "1000"  # only an answer that asks for fewer requests may say this
    match = r"/data/a\.tar: cannot be read \(HTTP 503 .*\), tried 3 times in \d+ s"
    with pytest.raises(SourceError, match=match):
        source_at(store, deadline=900).read("a.tar", 0, 5)
    assert len(store.requests) == 3
    assert "trying again for up to 900 s" in caplog.text, "who waits is told"


def test_nobody_answers_at_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("MCG_SOURCE_DEADLINE", "900")
        with pytest.raises(SourceError, match=r"a\.tar: cannot be read \(.*127\.0\.0\.1.*tried 1 times.*MCG_SOURCE"):
            RemoteSource(url, waits=ONCE).read("a.tar", 0, 5)


def test_a_store_that_asks_to_be_left_alone_is(store: HttpStore) -> None:
    store.faults.append(503)
    store.headers["Retry-After"] = "1"
    source = source_at(store)
    assert source.read("a.tar", 0, 5) == DATA[:5]
    assert source.traffic.snapshot()["seconds_throttled"] >= 1


@pytest.mark.parametrize("offset", [0, 10])
def test_a_server_that_ignores_ranges_is_refused(store: HttpStore, offset: int) -> None:
    source = source_at(store)
    length = len(DATA) if offset else 10  # where all bytes are as many as were asked for, they are still others
    store.faults.append("plain")
    with pytest.raises(SourceError, match=r"a\.tar: the server ignores byte ranges; use one that serves them"):
        source.read("a.tar", offset, length)
    store.faults.append("plain")
    assert source.read("a.tar", 0, 9999) == DATA, "the whole file is a good answer to more than all of it"
    store.faults.append("compressed")
    with pytest.raises(SourceError, match=r"a\.tar: the server sends it compressed"):
        source.read("a.tar", offset, 5)


def test_signatures_and_passwords_go_with_requests_and_never_into_messages(
    store: HttpStore, caplog: pytest.LogCaptureFixture
) -> None:
    source = RemoteSource(f"{store.url.replace('://', '://me:HIDDEN@')}/data?sig=HIDDEN", waits=HURRY)
    store.faults.append(500)
    assert source.read("a.tar", 0, 5) == DATA[:5]
    assert store.requests[-1][1] == "/data/a.tar?sig=HIDDEN"
    assert pickle.loads(pickle.dumps(source)).read("a.tar", 0, 5) == DATA[:5]
    assert "HIDDEN" not in source.url
    source = RemoteSource(source.address, waits=ONCE)
    for fault in (403, 404, 400, 500, "cut"):
        store.faults.extend([fault] * 1000)
        with pytest.raises(SourceError) as error:
            source.read("a.tar", 0, 500)
        store.faults.clear()
        seen: BaseException | None = error.value
        while seen is not None:
            assert "HIDDEN" not in str(seen)
            seen = seen.__cause__
    assert "trying again" in caplog.text and "HIDDEN" not in caplog.text


def test_names_with_odd_characters_are_asked_for_as_they_are(store: HttpStore) -> None:
    for name, path in {"a b": "a%20b", "a?b": "a%3Fb", "a#b": "a%23b", "ä": "%C3%A4", "a%20c": "a%2520c"}.items():
        store.files[f"/{path}"] = DATA
        assert RemoteSource(store.url).read(name, 1, 3) == DATA[1:4]


def test_the_first_batch_of_a_cold_dataset_takes_three_round_trips(
    store: HttpStore, tmp_path: Path, facts: MediaFacts
) -> None:
    with DatasetWriter(tmp_path / "toy", "toy", samples_per_shard=600) as writer:
        for i in range(4800):
            writer.write(f"{i * 0x9E3779B97F4A7C15 % 2**64:x}", b"%d" % i, "mp4", [{"caption": "a"}], {}, facts)
    regroup(tmp_path / "toy", max_rows=600, gap=1 << 20)
    for file in (tmp_path / "toy").iterdir():
        store.files[f"/toy/{file.name}"] = file.read_bytes()
    shards = list(range(8))  # each is a row group
    # Nobody is answered before all of his round have asked, so each round must be asked for at once.
    rounds = {"files": 4, "row groups": 8, "elements": 8}
    gates = {name: threading.Barrier(count) for name, count in rounds.items()}

    def gate(method: str, path: str, range_: str) -> threading.Barrier:
        if path.endswith(".tar"):
            return gates["elements"]
        is_row_group = path.endswith("index.parquet") and re.match(r"bytes=\d", range_)
        return gates["row groups" if is_row_group else "files"]

    store.gate = gate
    reader = Reader("toy", f"{store.url}/toy")
    fetched = reader.fetch(shards, [1] * len(shards))
    assert len(store.requests) == sum(rounds.values())
    local = Reader("toy", str(tmp_path / "toy")).fetch(shards, [1] * len(shards))
    assert [bytes(a.media) for a in fetched] == [bytes(b.media) for b in local]


# ------------------------------------------------------------ datasets on a store that are not as they should be


@pytest.fixture
def far(store: HttpStore, tmp_path: Path, build_dataset: Callable[..., str]) -> str:
    """URL of a dataset of 25 samples in 4 shards."""
    build_dataset(tmp_path / "toy")
    for file in (tmp_path / "toy").iterdir():
        store.files[f"/toy/{file.name}"] = file.read_bytes()
    return f"{store.url}/toy"


@pytest.mark.parametrize(
    ("lost", "match"),
    [
        ("dataset.json", r"dataset\.json: not found; either no dataset was built here, or its conversion was not fin"),
        ("shards.parquet", r"shards\.parquet: not found.*; dataset\.json is there, so a file was lost: build the dat"),
        ("index.parquet", r"index\.parquet: not found.*; dataset\.json is there, so a file was lost: build the data"),
        ("000001.tar", r"000001\.tar: the index lists this shard, but it is not there; copy it again from where"),
    ],
)
def test_a_half_written_dataset_names_what_is_missing(store: HttpStore, far: str, lost: str, match: str) -> None:
    del store.files[f"/toy/{lost}"]
    with pytest.raises(DatasetError, match=f"^{far}/{match}"):
        Reader("toy", far).fetch(range(4), [0] * 4)


def test_an_index_that_is_older_or_newer_than_the_shards_is_refused(
    store: HttpStore, far: str, tmp_path: Path, build_dataset: Callable[..., str]
) -> None:
    build_dataset(tmp_path / "later", num_samples=80, samples_per_shard=20)
    for new in ("000001.tar", "shards.parquet", "index.parquet", "dataset.json"):
        before = store.files[f"/toy/{new}"]
        store.files[f"/toy/{new}"] = (tmp_path / "later" / new).read_bytes()
        with pytest.raises(DatasetError, match=rf"^{far}/.*; .*copy"):
            Reader("toy", far).fetch(range(4), [0] * 4)
        store.files[f"/toy/{new}"] = before
    assert len(Reader("toy", far).fetch(range(4), [0] * 4)) == 4


def test_a_dataset_of_another_name_is_not_written_over_one_in_a_bucket(
    s3_server: Any, use_s3: Callable[..., None], build_dataset: Callable[..., str]
) -> None:
    use_s3(s3_server)
    url = build_dataset(f"s3://{s3_server.bucket}/taken", num_samples=3)
    before = RemoteSource(url).list()
    with pytest.raises(DatasetError, match=rf"^{url}: holds a finished dataset already; choose another place"):
        DatasetWriter(url, "another")
    assert RemoteSource(url).list() == before
    tars = RemoteSource(f"s3://{s3_server.bucket}/nothing")
    with pytest.raises(MissingFile, match="nothing in the bucket begins with this"):
        tars.list()


def test_a_dataset_that_may_not_be_written_says_so(
    s3_server: Any, use_s3: Callable[..., None], build_dataset: Callable[..., str]
) -> None:
    use_s3(s3_server, secret="wrong")
    with pytest.raises(WriteError, match=rf"^s3://{s3_server.bucket}/new.*access refused \(SignatureDoesNotMatch"):
        build_dataset(f"s3://{s3_server.bucket}/new")
