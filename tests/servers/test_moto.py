"""The moto server refuses wrong keys and signatures, as it does not by default."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.servers.s3 import S3Server


def test_right_keys_read_and_write(s3_server: S3Server) -> None:
    client = s3_server.client()
    client.put_object(Bucket=s3_server.bucket, Key="moto/a", Body=b"hello")
    assert client.get_object(Bucket=s3_server.bucket, Key="moto/a")["Body"].read() == b"hello"


@pytest.mark.parametrize(("wrong", "code"), [("key", "InvalidAccessKeyId"), ("secret", "SignatureDoesNotMatch")])
def test_wrong_keys_are_refused(s3_server: S3Server, wrong: str, code: str) -> None:
    from botocore.exceptions import ClientError

    with pytest.raises(ClientError, match=code):
        replace(s3_server, **{wrong: "wrong"}).client().list_objects_v2(Bucket=s3_server.bucket)
