"""Addresses that are asked: public http and https; everything that leads into this machine or network is refused."""

from __future__ import annotations

import asyncio

import pytest

from tools.fetch.addresses import check_address, public_resolver, redirected
from tools.fetch.failures import FetchFailed


@pytest.mark.parametrize(
    "url",
    ["http://example.org/a.jpg", "HTTPS://Example.org:8443/a?b=c", "http://93.184.215.14/x", "http://[2606:4700::1]/"],
)
def test_public_addresses_are_asked(url: str) -> None:
    assert check_address(url)


@pytest.mark.parametrize(
    "url",
    [
        *("file:///etc/passwd", "ftp://example.org/a", "//example.org/a", "a.jpg", "", "http://", "s3://bucket/x"),
        *("http://127.0.0.1/x", "http://10.1.2.3/", "http://192.168.0.1", "http://169.254.169.254/latest/meta-data"),
        *("http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://[fe80::1%25eth0]/", "http://[64:ff9b::7f00:1]/"),
        *("http://[2002:7f00:1::]/", "http://0.0.0.0/", "http://224.0.0.1/", "http://user:secret@example.org/"),
        *(
            "http://127.1/",
            "http://2130706433/",
            "http://0177.0.0.1/",
            "http://１２７.0.0.1/",
            "http://127。0。0。1/",
            "http://[0:0:0:0:0:0:0:1]/",
            "http://example.org/\r\nHost: x",
            "http://example.org:99999/",
            "http://[::1",
            "http://x/" + "a" * 9000,
        ),
    ],
)
def test_others_are_refused(url: str) -> None:
    with pytest.raises(FetchFailed) as caught:
        check_address(url)
    assert caught.value.kind == "refused address" and "secret" not in str(caught.value)


def test_a_host_that_the_user_names_may_be_private() -> None:
    assert check_address("http://127.0.0.1:80/x", {"127.0.0.1"}).host == "127.0.0.1"
    assert check_address("http://LocalHost/x", {"localhost"}).host == "localhost"


def test_redirects_are_held_to_the_same_rules() -> None:
    here = check_address("http://example.org/a/b")
    assert str(redirected(here, "../c.jpg")) == "http://example.org/c.jpg"
    assert str(redirected(here, "https://other.org/c d")) == "https://other.org/c%20d"
    for target in ("file:///etc/passwd", "http://127.0.0.1/", "http://169.254.169.254/"):
        with pytest.raises(FetchFailed, match="redirects to where nothing is fetched"):
            redirected(here, target)


@pytest.mark.parametrize("host", ["localhost", "127.1", "0x7f.0.0.1", "2130706433"])
def test_names_that_mean_this_machine_are_refused_where_they_are_resolved(host: str) -> None:
    async def resolve(*named: str) -> int:
        return len(await public_resolver(named).resolve(host, 80))

    with pytest.raises((FetchFailed, OSError), match=r"private address|not known|resolve|failure"):
        asyncio.run(resolve())


def test_a_named_host_is_resolved() -> None:
    async def resolve() -> int:
        return len(await public_resolver({"localhost"}).resolve("localhost", 80))

    assert asyncio.run(resolve()) >= 1
