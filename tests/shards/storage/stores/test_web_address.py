"""The parts of an http(s) address: its server, its user, and what of it is sent."""

from __future__ import annotations

import pytest

from shards.storage.stores.web_address import as_sent, authority_of, origin_of, user_of, without_user


def test_what_is_quoted_stays_and_what_no_url_may_hold_is_quoted() -> None:
    assert as_sent("http://h/ä b/50%25%zz?sig=a%2Fb+/c==") == "http://h/%C3%A4%20b/50%25%25zz?sig=a%2Fb+/c=="


def test_the_server_of_an_address() -> None:
    assert origin_of("HTTP://me:pw@Host./x") == ("http", "host", 80)
    assert origin_of("https://[::1]:8443?q") == ("https", "[::1]", 8443) and origin_of("https://h#x")[2] == 443


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("s3://bucket/x", "is no http"),
        ("http:///x", "has no host"),
        ("http://me:p/w@host/x", "has no host, or a user or password that is not quoted"),
        ("http://h:0/x", "port 0 is none; ports are 1 to 65535"),
        ("http://h:65536/x", "port 65536 is none"),
    ],
)
def test_an_address_without_a_server_is_refused(address: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        origin_of(address)


def test_user_and_password_are_taken_out() -> None:
    address = "http://me:p%2Fw@h:1/x@y?q"
    assert authority_of(address) == "me:p%2Fw@h:1" and user_of(address) == ("me", "p/w")
    assert without_user(address) == "http://h:1/x@y?q" and user_of(without_user(address)) is None
