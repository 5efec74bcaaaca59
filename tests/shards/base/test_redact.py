"""No secret of an address is shown, whatever the address looks like; what is no secret stays readable."""

from __future__ import annotations

import base64
import logging
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.base.errors import PrintableError
from shards.base.printing import logger
from shards.base.redact import hide, scrub, shown
from shards.base.safe_text import one_line

TOKEN = "S3cr3tT0k3n"
schemes = st.sampled_from(["http", "https", "HTTPS", "s3", "s3a", "gs", "abfs", "az", "memory", "sftp", "hf", "zip"])
chains = st.sampled_from(["", "", "simplecache::", "filecache::", "simplecache::blockcache::", "zip://inner.tar::"])
hosts = st.sampled_from(["host.example", "bucket", "127.0.0.1:9000", "[::1]", "[2001:db8::7]:8443", "a-b.c:1"])
paths = st.sampled_from(["", "/", "/shards", "/a b/ü/000000.tar", "/x/50%25off.tar", "/dir/x@2x.tar"])
around = st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"]), max_size=4)
plain = st.text("abcXYZ019-_.~%/=+", max_size=4)
names = st.sampled_from(
    ["sig", "token", "X-Amz-Signature", "X-Amz-Credential", "AWSAccessKeyId", "Signature", "se", "anything", "x"]
)


@settings(max_examples=60, deadline=None)
@given(schemes, chains, hosts, paths, names, plain, plain, st.sampled_from("?#"))
def test_a_query_or_fragment_never_survives_and_the_rest_does(
    scheme: str, chain: str, host: str, path: str, name: str, before: str, after: str, mark: str
) -> None:
    base = f"{scheme}://{host}{path}"
    address = f"{chain}{base}{mark}a=1&{name}={before}{TOKEN}{after}"
    is_clear = ":" not in host or "@" not in path
    for text in (shown(address), scrub(f"GET '{address}': refused"), scrub(address)):
        assert TOKEN not in text
        if is_clear:
            assert base in text
    assert TOKEN not in scrub(f"asked {quote(before + TOKEN + after)} and {before}{TOKEN}{after}", address)


@settings(max_examples=60, deadline=None)
@given(schemes, chains, hosts, paths, around, around, st.booleans(), st.sampled_from(["raw", "quoted"]))
def test_a_user_or_password_never_survives(
    scheme: str, chain: str, host: str, path: str, before: str, after: str, as_user: bool, form: str
) -> None:
    secret = f"{before}{TOKEN}{after}"
    if form == "quoted":
        secret = quote(secret, safe="")
    user = f"{secret}:pw" if as_user and form == "quoted" else f"me:{secret}"
    address = f"{chain}{scheme}://{user}@{host}{path}"
    assert TOKEN not in shown(address)
    assert host in shown(address) or "@" in path or "/" in secret
    if not set("'\"<>").intersection(secret):
        assert TOKEN not in scrub(f"cannot connect to {address}: timed out")
    assert TOKEN not in scrub(f'bucket "{user}", key {secret!s} and {address}', address)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://me:pw@host:1/a/b?sig=x", "https://host:1/a/b"),
        ("HTTPS://me:pw@host/a#frag", "HTTPS://host/a"),
        ("s3://bucket/a@2x/b", "s3://bucket/a@2x/b"),
        ("s3://KEY:SECRET@bucket/a", "s3://bucket/a"),
        ("s3://KEY:SEC/RET@bucket/a", "s3://***@bucket/a"),
        ("s3://KEY:SEC?RET@bucket/a", "s3://***@bucket/a"),
        ("s3://KEY:SEC#RET@bucket/a?x", "s3://***@bucket/a"),
        ("s3://KEY:SE@C/RET@bucket/a", "s3://***@bucket/a"),
        ("s3://KEY:SECRET", "s3://***"),
        ("https://TOKEN@host/a", "https://host/a"),
        ("https://me:12/34@host/a", "https://***@host/a"),
        ("https:/me:pw@host/a?sig=x", "https:/host/a"),
        ("https:me:pw@host/a?sig=x", "https:host/a"),
        ("//me:pw@host/a", "//host/a"),
        ("http://[::1]:8080/a::b?sig=x", "http://[::1]:8080/a::b"),
        ("simplecache::https://u:p@h/x?t=1", "simplecache::https://h/x"),
        ("zip://a.tar::https://u:p@h/x.zip?t=1", "zip://a.tar::https://h/x.zip"),
        ("https://h/a;jsessionid=1/b", "https://h/a/b"),
        ("/data/a?b#c", "/data/a?b#c"),
    ],
)
def test_what_is_shown_of_an_address(address: str, expected: str) -> None:
    assert shown(address) == expected


@pytest.mark.parametrize(
    "text",
    [
        f"403, url=URL('https://me:{TOKEN}@host/a?X-Amz-Signature={TOKEN}')",
        f"Invalid header value b'AWS4-HMAC-SHA256 Credential={TOKEN}/2026, SignedHeaders=host, Signature={TOKEN}'",
        f"headers {{'Authorization': 'Basic {TOKEN}'}}",
        f"Authorization: Bearer {TOKEN}",
        f"wrong key: AWSAccessKeyId={TOKEN}&Expires=1&Signature={TOKEN}%3D",
        f"no answer (https://host/a?token={TOKEN}), (simplecache::s3://K:{TOKEN}@b/x)",
        f"https:me:{TOKEN}@host/a: no such file",
        f"'//me:{TOKEN}@host/a': no such file",
        f"https://host/a%3Fsig={TOKEN} was not found",
        f"answered to X-Amz-Security-Token: {TOKEN}",
        f"Set-Cookie: session={TOKEN}; path=/",
        f"{{b'Authorization': b'Bearer {TOKEN}', 'x-api-key': '{TOKEN}'}}",
        f"AccountName=me;AccountKey={TOKEN}",
        f"client_secret={TOKEN}, refresh_token={TOKEN}, api_key={TOKEN}",
        f"aws_secret_access_key='{TOKEN} {TOKEN}'",
    ],
)
def test_messages_of_libraries_keep_nothing_that_signs(text: str) -> None:
    assert TOKEN not in scrub(text) and TOKEN not in one_line(text)


def test_a_message_about_a_known_address_keeps_no_spelling_of_its_secrets() -> None:
    address = "https://me:p%40ss%2Fword@host/a?sig=ab%2Fcd%3D%3D&se=2026"
    basic = base64.b64encode(b"me:p@ss/word").decode()
    for text in ("p@ss/word", "p%40ss%2Fword", "ab/cd==", "sig=ab%2Fcd%3D%3D", "ab%2fcd", basic):
        assert text not in scrub(f"it said {text} of /a in 2026", address) or text == "ab%2fcd"
    assert scrub("it said no of /a in 2026", address) == "it said no of /a in 2026"


def test_plain_messages_are_left_alone() -> None:
    for text in (
        "InvalidToken: The provided token is malformed; AWS_SESSION_TOKEN does not belong to AWS_ACCESS_KEY_ID",
        "a.tar: not found; check the path: s3://bucket/a.tar, or http://host:9000/b",
        "lr=3e-4, key=00001, signature of the shard differs",
    ):
        assert scrub(text) == text


def test_errors_and_logs_are_scrubbed_whoever_made_the_message(caplog: pytest.LogCaptureFixture) -> None:
    address = f"https://me:{TOKEN}@host/a?sig={TOKEN}"
    assert str(PrintableError(f"{address}: no")) == "https://host/a: no"
    with caplog.at_level(logging.WARNING):
        try:
            raise RuntimeError(address)
        except RuntimeError:
            logger("shards.test").warning("asked %s", address, exc_info=True)
    assert "https://host/a" in caplog.text and TOKEN not in caplog.text


def test_a_hidden_value_is_shown_by_its_name() -> None:
    hide("hunter2/hunter2", "${oc.env:PW}")
    assert one_line("opened hunter2/hunter2 and hunter2%2Fhunter2") == "opened ${oc.env:PW} and ${oc.env:PW}"
    hide("abc", "${oc.env:SHORT}")
    assert one_line("abc") == "abc"
