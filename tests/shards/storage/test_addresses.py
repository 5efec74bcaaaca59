"""Which addresses lead somewhere, and how names are added to them."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pytest
from fsspec.registry import known_implementations
from hypothesis import given
from hypothesis import strategies as st

from shards.base.errors import AddressError, ConfigError
from shards.dataset.writing.open_target import open_target
from shards.loader.config import DatasetConfig
from shards.storage.addresses import STORES, below, check_address, checked, local_path, parent, split_query
from shards.storage.open import open_source
from shards.storage.source import check_name
from shards.storage.stores.web_address import as_sent

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
    assert checked("HTTPS://Host/X") == "https://Host/X"
    assert split_query("http://h/a?b/c==#d") == ("http://h/a", "b/c==") and split_query("s3://h/a?b") == (
        "s3://h/a?b",
        "",
    )
    assert parent("list.jsonl") == (".", "list.jsonl") and parent("/list") == ("/", "list")
    assert parent("https://h/d/l%20.jsonl?sig=a/b") == ("https://h/d?sig=a/b", "l .jsonl")
    for good in ("http://u:p%40@h:1/x", "http://[::1]:80/x", "HTTPS://h", "s3://arn:aws:s3:eu:1:accesspoint/x/y"):
        check_address(good)
