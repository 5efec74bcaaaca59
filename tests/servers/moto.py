"""A moto S3 server in this process that checks keys and signatures.

Good for: quick tests of what S3 answers. It starts in a second. Not good for: presigned URLs, speed, what a real
server's XML or ETags look like; `rgw.py` is for those.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from tests.servers.s3 import S3Server


@contextmanager
def moto_server() -> Iterator[S3Server]:
    """A server on a free port of loopback, with an account that may do everything in S3."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        account = {"endpoint_url": endpoint, "region_name": "us-east-1"}
        iam = boto3.client("iam", aws_access_key_id="root", aws_secret_access_key="root", **account)
        iam.create_user(UserName="u")
        key = iam.create_access_key(UserName="u")["AccessKey"]
        statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=policy)
        found = S3Server(endpoint, "bucket", key["AccessKeyId"], key["SecretAccessKey"])
        # moto by default accepts any key, so this is turned off once there is one
        _requests_without_checks(endpoint, b"0")
        found.client().create_bucket(Bucket=found.bucket)
        yield found
        _requests_without_checks(endpoint, b"inf")
    finally:
        server.stop()


def _requests_without_checks(endpoint: str, number: bytes) -> None:
    headers = {"Content-Type": "text/plain"}
    request = urllib.request.Request(f"{endpoint}/moto-api/reset-auth", data=number, method="POST", headers=headers)
    urllib.request.urlopen(request).close()
