"""An index leads to its own place, to what the user names, and to what this user indexed: by every verb."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from shards import DatasetConfig, Loader
from shards.base.errors import DatasetError
from shards.dataset.index.index import Index
from shards.dataset.indexing.indexer import index_tars
from shards.read.reader import Reader
from shards.storage.open import open_source
from shards.storage.roots import covers
from shards.storage.seal import seal_root
from tests.shards.http_store import HttpStore
from tests.shards.small_dataset import config, encode, write_dataset

SIGNED = "sig=ab/c=="


class SignedStore(HttpStore):
    """Refuses what comes without the signature."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = self._check

    def _check(self, method: str, path: str, range_: str) -> None:
        self.faults.extend([] if path.endswith(f"?{SIGNED}") else [403])

    def serve(self, folder: Path, at: str = "/s") -> None:
        from urllib.parse import quote

        names = sorted(file.name for file in folder.iterdir() if file.is_file())
        for name in names:
            self.files[f"{at}/{quote(name, safe='')}"] = (folder / name).read_bytes()
        self.files[f"{at}/"] = "".join(f'<a href="{quote(name, safe="")}">x</a>' for name in names).encode()


@pytest.fixture
def store() -> Iterator[HttpStore]:
    with HttpStore().running() as store:
        yield store


def edit(folder: Path, **changes: Any) -> None:
    file = folder / "dataset.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A file of this machine that a dataset of somebody else is after: it looks like one of its shards."""
    return write_dataset(tmp_path / "victim", "private", 4)


@pytest.mark.parametrize("verb", [["ls", "--records"], ["verify"], ["stats"], ["bench"], ["preview"]])
@pytest.mark.parametrize(
    "form", ["{}", "file://{}", "local://{}", "dir://{}", "simplecache::file://{}", "reference://{}", "FILE://{}"]
)
def test_an_index_on_the_web_shows_no_file_of_this_machine(
    store: HttpStore, victim: Path, run: Callable[..., Result], verb: list[str], form: str
) -> None:
    edit(victim, root=form.format(victim))
    for name in ("dataset.json", "shards.parquet", "index.parquet"):
        store.files[f"/s/{name}"] = (victim / name).read_bytes()
    result = run(verb[0], f"{store.url}/s", *verb[1:])
    assert result.exit_code == 1 and "private-" not in result.output
    assert f"error: {store.url}/s/dataset.json: root " in result.stderr and "is refused" in result.stderr


@pytest.mark.parametrize(
    "root", ["http://127.0.0.1:9/s", "http://h/s", "{}/other", "{}/s2", "{}/s/../x", "s3://b/c", "memory://x"]
)
def test_an_index_on_the_web_leads_to_no_other_place(store: HttpStore, victim: Path, root: str) -> None:
    edit(victim, root=root.format(store.url))
    for name in ("dataset.json", "shards.parquet", "index.parquet"):
        store.files[f"/s/{name}"] = (victim / name).read_bytes()
    with pytest.raises(DatasetError, match=r"leads away from the index; .*roots: \['.*--root"):
        Reader("d", f"{store.url}/s")
    assert all(path.startswith("/s/") for _, path, _ in store.requests)


def test_an_index_on_the_web_may_read_below_itself_and_where_the_user_says(store: HttpStore, victim: Path) -> None:
    for name in os.listdir(victim):
        for folder in ("/s/tars", "/other"):
            store.files[f"{folder}/{name}"] = (victim / name).read_bytes()
    for root, allowed in (
        (f"{store.url}/s/tars", ()),
        (f"{store.url}/other", (f"{store.url}/other",)),
        (str(victim), ("/",)),
    ):
        edit(victim, root=root)
        for name in ("dataset.json", "shards.parquet", "index.parquet"):
            store.files[f"/s/{name}"] = (victim / name).read_bytes()
        dataset = DatasetConfig(name="d", path=f"{store.url}/s", roots=allowed)
        with Loader(config(mode="eval", blend=(dataset,)), 0, 1, encode) as loader:
            assert sum(int(batch.valid.sum()) for batch in loader) == 8


def test_an_index_of_somebody_else_in_a_folder_leads_to_no_other_folder(
    victim: Path, tmp_path: Path, run: Callable[..., Result]
) -> None:
    index = tmp_path / "downloaded"
    index.mkdir()
    for name in ("dataset.json", "shards.parquet", "index.parquet"):
        shutil.copy(victim / name, index)
    for root in (str(victim), f"file://{victim}", f"{index}/../victim"):
        for seal in ({}, {"root_seal": "0" * 64}, {"root_seal": seal_root("/elsewhere")}):
            edit(index, root=root, **seal)
            result = run("ls", index, "--records")
            assert result.exit_code == 1 and "private-" not in result.output and f"--root '{root}'" in result.stderr
        assert "private-0-0" in run("ls", index, "--records", "--root", victim).stdout
    (index / "sub").mkdir()
    edit(index, root=str(index / "sub"), root_seal="")
    Index.open(open_source(index))


def test_a_signed_address_is_indexed_and_read_and_its_signature_is_seen_nowhere(
    tars: Path, tmp_path: Path, run: Callable[..., Result]
) -> None:
    with SignedStore().running() as store:
        assert isinstance(store, SignedStore)
        store.serve(tars)
        address, index = f"{store.url}/s?{SIGNED}", tmp_path / "index"
        said = []
        for jobs in (1, 2):
            shutil.rmtree(index, ignore_errors=True)
            said.append(run("index", address, "--out", index, "--media", "--jobs", jobs))
        patterns = (f"{store.url}/s/{{50%2525off,a%20b}}.tar?{SIGNED}", f"{store.url}/s/*.tar?{SIGNED}")
        said += [run("index", pattern, "--out", tmp_path / "again", "--json") for pattern in patterns]
        assert json.loads(said[-1].stdout)["name"] == "s" and json.loads(said[-2].stdout)["num_samples"] == 6
        said += [run(verb, index, "--root", address) for verb in ("verify", "ls", "stats")]
        for file in index.iterdir():
            store.files[f"/s/{file.name}"] = file.read_bytes()
        for place in (address, f"{store.url}/s/dataset.json?{SIGNED}", address.replace("http", "HTTP")):
            said += [run(verb, place) for verb in ("verify", "stats")]
            said.append(run("ls", place, "--records", "--json"))
        said.append(run("preview", address, "--out", tmp_path / "page.html"))
        said.append(run("bench", address, "--batches", 1, "--repeats", 1, "--reader-only"))
        for result in said:
            assert result.exit_code == 0, result.output
        wrong = f"{store.url}/s?sig=wr/ong=="
        places = (wrong, f"{store.url}/x?{SIGNED}")
        bad = [run(verb, place) for verb in ("verify", "ls", "stats") for place in places]
        bad += [run("index", place, "--out", tmp_path / "no") for place in places]
        said += bad
        bad.append(run("verify", index))
        assert all(result.exit_code in (1, 2) for result in bad)
        written = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
        for text in (*(result.output.encode() for result in said), *written):
            for secret in (b"ab/c", b"ab%2Fc", b"wr/ong", b"sig="):
                assert secret not in text


def test_the_way_back_needs_the_address_that_was_signed(tars: Path, tmp_path: Path, run: Callable[..., Result]) -> None:
    with SignedStore().running() as store:
        assert isinstance(store, SignedStore)
        store.serve(tars)
        report = index_tars(f"{store.url}/s?{SIGNED}", str(tmp_path / "index"))
        assert report.root == f"{store.url}/s" and report.num_samples == 6
        dataset = DatasetConfig(name="d", path=str(tmp_path / "index"), roots=(f"{store.url}/s?{SIGNED}",))
        reader = Reader("d", dataset.path, roots=dataset.roots)
        assert reader.source.url == f"{store.url}/s" and reader.source.list(".tar") == ["50%25off.tar", "a b.tar"]
        assert "access refused (HTTP 403" in run("verify", tmp_path / "index").stderr


@pytest.mark.parametrize(
    ("folder", "address", "is_inside"),
    [
        ("http://h/a", "http://H:80/a/b?c", True),
        ("http://u:p@h/a?sig=x", "http://h/a", True),
        ("http://h/a", "http://h/ab", False),
        ("http://h/a", "http://h/a/../b", False),
        ("http://h/a", "http://h/a/%2e%2e/b", False),
        ("http://h/a", "http://h/a/..%2fb", False),
        ("http://h/a", "http://h/a/..\\b", False),
        ("http://h/a", "https://h/a", False),
        ("http://h/a", "http://h:81/a", False),
        ("http://h/a", "http://h@evil/a", False),
        ("http://h", "http://h.evil/a", False),
        ("s3://b/a", "s3a://b/a/c", True),
        ("s3://b/a", "s3://b/a2", False),
        ("s3://b/a", "s3://b/a/../c", False),
        ("s3://b", "gs://b", False),
        ("s3://b", "/b", False),
        ("/d", "/d/e", True),
        ("/d", "file:///d/e", True),
        ("/d", "/d/../e", False),
        ("/d", "/dd", False),
    ],
)
def test_what_lies_below_a_place(folder: str, address: str, is_inside: bool) -> None:
    assert covers(folder, address) is is_inside


def test_a_link_does_not_count_as_below(tmp_path: Path) -> None:
    os.symlink("/etc", tmp_path / "inside")
    assert not covers(str(tmp_path), str(tmp_path / "inside"))
