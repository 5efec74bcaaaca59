"""Which addresses lead somewhere, and how names are added to them."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from fsspec.registry import known_implementations
from hypothesis import given
from hypothesis import strategies as st

from shards.base.errors import AddressError, ConfigError
from shards.dataset.writing.open_target import open_target
from shards.loader.config import DatasetConfig
from shards.storage.addresses import STORES, below, check_address, local_path, normal, parent, split_query
from shards.storage.open import open_source
from shards.storage.roots import covers
from shards.storage.source import check_name
from shards.storage.web_address import as_sent
from tests.shards.http_store import HttpStore

REFUSED = [
    *(f"{scheme}://x/y" for scheme in sorted(known_implementations) if scheme not in (*STORES, "file")),
    *(
        "LOCAL:///etc",
        "Dir:///etc",
        "s4://x",
        "simplecache::https://h/x",
        "filecache::file:///etc",
        "zip://a::s3://b/c",
    ),
    *("blockcache::memory://x", "simplecache::", "file://host/x", "file://x", "http:///x", "https://me:p/w@host/x"),
    *(
        "s3://KEY:SECRET@bucket/x",
        "s3a://KEY:SECRET/x",
        "gs://k@b/x",
        "http://h:port/x",
        "http://h:99999/x",
        "http://h:0/x",
        "http://[::1/x",
        "/x/\0",
    ),
]


@pytest.mark.parametrize("address", REFUSED)
def test_what_is_not_allowed_leads_nowhere(address: str) -> None:
    for use in (open_source, open_target):
        with pytest.raises(AddressError) as error:
            use(address)
        assert "SECRET" not in str(error.value) and "p/w" not in str(error.value)
    with pytest.raises(ConfigError, match=r"DatasetConfig: path|DatasetConfig: roots") as config_error:
        DatasetConfig(name="d", path="x", roots=(address,))
    assert "SECRET" not in str(config_error.value)
    with pytest.raises(ConfigError):
        DatasetConfig(name="d", path=address)


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@given(names)
def test_a_name_is_quoted_once_and_found_again(name: str) -> None:
    try:
        check_name(name)
    except ValueError:
        return
    for folder in ("http://h/a%20b?sig=x/y", "https://[::1]:8/d", "file:///d/e", "s3://b/p", "memory://m", "/d/e"):
        whole = below(folder, name)
        if "://" not in folder:
            assert whole == f"/d/e/{name}"
            continue
        assert parent(whole) == (local_path(folder) if folder.startswith("file") else folder, name)
        if folder.startswith("http"):
            assert unquote(urlsplit(whole).path).rpartition("/")[2] == name or "/" in unquote(name)
            assert split_query(whole)[1] == split_query(folder)[1] and as_sent(whole) == whole


def test_the_parts_of_addresses() -> None:
    assert normal("HTTPS://Host/X") == "https://Host/X"
    assert split_query("http://h/a?b/c==#d") == ("http://h/a", "b/c==") and split_query("s3://h/a?b") == (
        "s3://h/a?b",
        "",
    )
    assert parent("list.jsonl") == (".", "list.jsonl") and parent("/list") == ("/", "list")
    assert parent("https://h/d/l%20.jsonl?sig=a/b") == ("https://h/d?sig=a/b", "l .jsonl")
    assert as_sent("http://h/ä b/50%25%zz?sig=a%2Fb+/c==") == "http://h/%C3%A4%20b/50%25%25zz?sig=a%2Fb+/c=="
    for good in ("http://u:p%40@h:1/x", "http://[::1]:80/x", "HTTPS://h", "s3://arn:aws:s3:eu:1:accesspoint/x/y"):
        check_address(good)


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


@pytest.mark.parametrize("name", ["50%25off.tar", "a b.tar", "a?b=c.tar", "a#b.tar", "ü.tar", "a%2Fb.tar", "x;y=z.tar"])
def test_a_name_is_found_in_every_kind_of_store(tmp_path: Path, name: str) -> None:
    import fsspec

    (tmp_path / name).write_bytes(b"0123")
    fsspec.filesystem("memory").pipe(f"/odd/{name}", b"0123")
    with HttpStore().running() as store:
        store.files[urlsplit(below(store.url, name)).path] = b"0123"
        for place in (str(tmp_path), f"file://{tmp_path}", "memory://odd", store.url, f"{store.url}?sig=a/b=="):
            assert open_source(place).read(name, 1, 2) == b"12" and open_source(place).stat(name).size == 4
        assert store.requests[-1][1].endswith("?sig=a/b==")
