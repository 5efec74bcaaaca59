"""What an answer of a store means: which bytes, whether to try again, what to do."""

from __future__ import annotations

import pytest

from shards.source import SourceError
from shards.stores import open_filesystem, shown, without_secrets


def test_an_unknown_kind_of_url_is_named_with_those_that_are_known() -> None:
    with pytest.raises(SourceError, match=r"s4://x/y: no kind of URL begins with s4://; known are s3, http, "):
        open_filesystem("s4://x/y")


def test_a_missing_package_is_named() -> None:
    with pytest.raises(SourceError, match=r"gs://x/y: gs:// needs a package that is not installed \(.*gcsfs"):
        open_filesystem("gs://x/y")


def test_what_is_shown_of_a_url() -> None:
    assert shown("https://me:pw@host:1/a/b?sig=x") == "https://host:1/a/b"
    assert shown("s3://bucket/a") == "s3://bucket/a"
    text = "403, url='https://me:pw@host/a?X-Amz-Signature=x' and \"http://b/c?d\" or http://e"
    assert without_secrets(text) == "403, url='https://host/a' and \"http://b/c\" or http://e"
