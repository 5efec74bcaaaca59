"""What tests know of an S3 server, and how a program is told of it: by environment variables, as a user would."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class S3Server:
    """A server that checks signatures, with one account and one bucket."""

    endpoint: str
    bucket: str
    key: str
    secret: str

    @property
    def address(self) -> tuple[str, int]:
        """Host and port, for a proxy."""
        parts = urlsplit(self.endpoint)
        assert parts.hostname and parts.port
        return parts.hostname, parts.port

    def environment(self, endpoint: str = "", key: str = "", secret: str = "") -> dict[str, str]:
        """The variables that lead there, or to another endpoint (a proxy), or with other keys."""
        return {
            "AWS_ENDPOINT_URL": endpoint or self.endpoint,
            "AWS_ACCESS_KEY_ID": key or self.key,
            "AWS_SECRET_ACCESS_KEY": secret or self.secret,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self) -> Any:
        """A boto3 client of the account."""
        import boto3

        keys = {"aws_access_key_id": self.key, "aws_secret_access_key": self.secret}
        return boto3.client("s3", endpoint_url=self.endpoint, region_name="us-east-1", **keys)
