"""The gateway is a real one: it checks signatures, presigned URLs too, and ends with whoever started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from tests.servers.rgw import RgwError, rgw_server
from tests.servers.s3 import S3Server

ROOT = Path(__file__).parents[2]


def test_objects_come_back_in_ranges_and_parts(rgw: S3Server) -> None:
    client = rgw.client()
    upload = client.create_multipart_upload(Bucket=rgw.bucket, Key="parts")["UploadId"]
    whole = os.urandom(5 << 20) + b"the end"
    parts = []
    for number, data in enumerate((whole[: 5 << 20], whole[5 << 20 :]), 1):
        told = client.upload_part(Bucket=rgw.bucket, Key="parts", UploadId=upload, PartNumber=number, Body=data)
        parts.append({"PartNumber": number, "ETag": told["ETag"]})
    done = {"Bucket": rgw.bucket, "Key": "parts", "UploadId": upload, "MultipartUpload": {"Parts": parts}}
    client.complete_multipart_upload(**done)
    found = client.get_object(Bucket=rgw.bucket, Key="parts", Range="bytes=-7")
    assert found["Body"].read() == b"the end" and found["ETag"].endswith('-2"')
    assert client.get_object(Bucket=rgw.bucket, Key="parts")["Body"].read() == whole


@pytest.mark.parametrize(("wrong", "code"), [("key", "InvalidAccessKeyId"), ("secret", "SignatureDoesNotMatch")])
def test_wrong_keys_are_refused(rgw: S3Server, wrong: str, code: str) -> None:
    from botocore.exceptions import ClientError

    with pytest.raises(ClientError, match=code):
        replace(rgw, **{wrong: "wrong"}).client().list_objects_v2(Bucket=rgw.bucket)


def test_presigned_urls_open_one_object_and_nothing_else_does(rgw: S3Server) -> None:
    client = rgw.client()
    client.put_object(Bucket=rgw.bucket, Key="signed", Body=b"hello")
    url = client.generate_presigned_url("get_object", {"Bucket": rgw.bucket, "Key": "signed"})
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"hello"
    for other in (url.replace("signed?", "other?"), f"{rgw.endpoint}/{rgw.bucket}/signed"):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(other)


def test_missing_programs_are_named_with_the_command_that_brings_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(RgwError, match=r"radosgw.* not found; install with: apt-get .*radosgw"), rgw_server():
        pass


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_with_the_process_that_started_it(rgw: S3Server, number: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.servers.rgw"]
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = {process.stdout.readline().strip() for _ in range(5)}
        (endpoint,) = [line.partition("=")[2] for line in told if line.startswith("export AWS_ENDPOINT_URL=")]
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(f"{endpoint}/{rgw.bucket}")
        daemons = _children(process.pid)
        assert len(daemons) == 3
        process.send_signal(number)
    until = time.monotonic() + 60
    while any(_runs(pid) for pid in daemons) and time.monotonic() < until:
        time.sleep(0.05)
    assert not [pid for pid in daemons if _runs(pid)]


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _runs(pid: int) -> bool:
    """Whether a process still runs; who inherited it may not have looked after its end."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
