"""What an error of S3 means: whether to try again, and what to do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from shards.base.errors import AccessDenied, MissingFile, SourceError
from shards.storage.open import open_source
from shards.storage.remote import RemoteSource
from shards.storage.source import Names
from shards.storage.stores.store import Waits
from tests.shards.http_store import HURRY, ONCE, HttpStore

Ask = Callable[[RemoteSource], object]
ASKS: list[Ask] = [lambda s: s.stat("a.tar"), lambda s: s.read("a.tar", 0, 5), lambda s: s.list()]
READS = ASKS[:2]


def says(url: str, kind: type[SourceError], match: str, asks: list[Ask] = ASKS, waits: Waits = HURRY) -> None:
    for ask in asks:
        source = RemoteSource(url, 30, waits=waits)
        with pytest.raises(kind, match=rf"^{url}(/a\.tar)?: .*{match}") as error:
            ask(source)
        assert type(error.value) is kind
        if kind in (AccessDenied, MissingFile):
            assert source.traffic.snapshot()["retries"] == 0


@pytest.fixture
def bucket(s3_server: Any, use_s3: Callable[..., None]) -> Iterator[str]:
    """URL of a folder with a.tar, and the environment that leads there."""
    use_s3(s3_server)
    s3_server.client().put_object(Bucket=s3_server.bucket, Key="stores/a.tar", Body=b"0123456789")
    yield f"s3://{s3_server.bucket}/stores"


def test_a_missing_bucket_is_told_from_a_missing_object(bucket: str) -> None:
    says("s3://nobody/x", MissingFile, "there is no bucket nobody.*; check the address, and AWS_ENDPOINT_URL")
    says(f"{bucket}/x", MissingFile, "not found; check the path, or whether the dataset was built here", READS)
    says(f"{bucket}/x", MissingFile, r"not found \(nothing in the bucket begins with this\); check", ASKS[2:])
    says("s3://NO_BUCKET!/x", SourceError, 'Invalid bucket name "NO_BUCKET!"; check the name of the bucket')


@pytest.mark.parametrize(
    ("changed", "kind", "match"),
    [
        ({"AWS_ACCESS_KEY_ID": "AKIAWRONG"}, AccessDenied, "InvalidAccessKeyId.*AWS_ACCESS_KEY_ID is not known there"),
        (
            {"AWS_SECRET_ACCESS_KEY": "bad"},
            AccessDenied,
            "SignatureDoesNotMatch.*AWS_SECRET_ACCESS_KEY does not belong",
        ),
        ({"AWS_SECRET_ACCESS_KEY": ""}, AccessDenied, "redentials.*check AWS_ACCESS_KEY_ID.*FSSPEC_S3_ANON=true"),
        ({"AWS_SESSION_TOKEN": "x"}, AccessDenied, "InvalidToken.*AWS_SESSION_TOKEN does not belong to"),
        ({"AWS_ENDPOINT_URL": "localhost:1"}, SourceError, "Invalid endpoint: localhost:1; .*begins with http:// or"),
    ],
)
def test_wrong_settings_are_named(
    bucket: str, monkeypatch: pytest.MonkeyPatch, changed: dict[str, str], kind: type[SourceError], match: str
) -> None:
    monkeypatch.setenv("HOME", "/nonexistent")
    for name, value in changed.items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name)
    says(bucket, kind, match)


def test_an_endpoint_that_speaks_plain_http_is_told(bucket: str, s3_server: Any, use_s3: Callable[..., None]) -> None:
    assert open_source(bucket).read("a.tar", 2, 3) == b"234", "http:// is an endpoint like another"
    use_s3(s3_server, endpoint=s3_server.endpoint.replace("http:", "https:"))
    says(bucket, SourceError, "the server speaks plain http: write http:// instead of https://", READS)


def test_an_endpoint_that_nobody_answers_at_is_named(bucket: str, s3_server: Any, use_s3: Callable[..., None]) -> None:
    use_s3(s3_server, endpoint="http://127.0.0.1:9")
    match = r"cannot be read \(EndpointConnectionError: .*127\.0\.0\.1:9.*\), tried 1 times in \d+ s; check"
    says(bucket, SourceError, match, READS, waits=ONCE)


@pytest.mark.parametrize(("action", "asks"), [("s3:GetObject", READS), ("s3:ListBucket", ASKS[2:])])
def test_what_the_policy_of_a_bucket_forbids_is_said_at_once(
    rgw: Any, use_s3: Callable[..., None], action: str, asks: list[Ask]
) -> None:
    use_s3(rgw)
    client = rgw.client()
    client.put_object(Bucket=rgw.bucket, Key="policy/a.tar", Body=b"0123456789")
    places = [f"arn:aws:s3:::{rgw.bucket}", f"arn:aws:s3:::{rgw.bucket}/policy/*"]
    statement = {"Effect": "Deny", "Principal": "*", "Action": [action], "Resource": places}
    client.put_bucket_policy(Bucket=rgw.bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    try:
        match = "AccessDenied.*the key is good, but the bucket's policy does not allow this"
        says(f"s3://{rgw.bucket}/policy", AccessDenied, match, asks)
    finally:
        client.delete_bucket_policy(Bucket=rgw.bucket)
    assert open_source(f"s3://{rgw.bucket}/policy").read("a.tar", -3) == b"789"


@pytest.mark.long
def test_listing_goes_through_all_pages(bucket: str, s3_server: Any) -> None:
    client = s3_server.client()
    names: Names = [f"{i:04d}.tar" for i in range(1005)]
    for name in names:
        client.put_object(Bucket=s3_server.bucket, Key=f"pages/{name}", Body=b"")
    client.put_object(Bucket=s3_server.bucket, Key="pages/inner/x.tar", Body=b"")
    source = RemoteSource(f"s3://{s3_server.bucket}/pages")
    assert source.list(".tar") == names and source.traffic.snapshot()["list"] == 2


# ------------------------------------------------------------ answers that no test server gives


@pytest.fixture
def answers(use_s3: Callable[..., None], s3_server: Any) -> Iterator[Callable[..., HttpStore]]:
    """answers(status, code, inside, times, **headers): what an S3 server says to so many requests from now on."""
    with HttpStore().running() as store:
        use_s3(s3_server, endpoint=store.url)

        def say(status: int, code: str, inside: str = "", times: int = 1000, **headers: str) -> HttpStore:
            store.faults.extend([status] * times)
            store.headers = {"Content-Type": "application/xml"} | {k.replace("_", "-"): v for k, v in headers.items()}
            store.body = f"<Error><Code>{code}</Code><Message>m</Message>{inside}</Error>".encode()
            return store

        yield say


@pytest.mark.parametrize(
    ("status", "code", "inside", "headers"),
    [
        (301, "PermanentRedirect", "", {"x_amz_bucket_region": "eu-west-1"}),
        (400, "AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>", {}),
        (400, "IllegalLocationConstraintException", "", {"x_amz_bucket_region": "eu-west-1"}),
    ],
)
def test_a_bucket_of_another_region_names_the_region(
    answers: Callable[..., HttpStore], status: int, code: str, inside: str, headers: dict[str, str]
) -> None:
    answers(status, code, inside, **headers)
    says("s3://b/x", SourceError, "the bucket b lies in region eu-west-1: set AWS_DEFAULT_REGION=eu-west-1")


@pytest.mark.parametrize(
    ("status", "code", "match"),
    [
        (400, "ExpiredToken", "ExpiredToken: m.*the temporary credentials have run out: get new ones"),
        (403, "RequestTimeTooSkewed", "the clock of this machine is wrong"),
        (403, "InvalidObjectState", "the file lies in an archive: restore it first"),
        (403, "AccessDenied", "the bucket's policy does not allow this, or the file is not there"),
    ],
)
def test_what_will_not_pass_is_said_at_once(
    answers: Callable[..., HttpStore], status: int, code: str, match: str
) -> None:
    answers(status, code)
    says("s3://b/x", AccessDenied, match)


@pytest.mark.parametrize(
    ("status", "code", "throttled"),
    [
        (503, "SlowDown", True),
        (429, "TooManyRequests", True),
        (400, "RequestTimeout", False),
        (500, "InternalError", False),
    ],
)
def test_what_may_pass_is_tried_again(
    answers: Callable[..., HttpStore], status: int, code: str, throttled: bool
) -> None:
    answers(status, code, times=2).files["/b/x/a.tar"] = b"0123456789"
    source = RemoteSource("s3://b/x", waits=HURRY)
    assert source.read("a.tar", 0, 5) == b"01234"
    counted = source.traffic.snapshot()
    assert counted["retries"] == 2 and (counted["seconds_throttled"] > 0) == throttled


def test_what_does_not_pass_is_said_with_the_reason_and_the_attempts(answers: Callable[..., HttpStore]) -> None:
    store = answers(503, "SlowDown")

    def ask_for_longer_than_the_deadline(*request: str | None) -> None:
        if len(store.requests) == 3:
            store.headers["Retry-After"] = "1000"

    store.gate = ask_for_longer_than_the_deadline
    match = r"^s3://b/x/a\.tar: cannot be read \(SlowDown: m\), tried 3 times in \d+ s"
    with pytest.raises(SourceError, match=match):
        RemoteSource("s3://b/x", waits=HURRY).read("a.tar", 0, 5)
