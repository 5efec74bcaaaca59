"""An address that no file system can be opened for is named."""

from __future__ import annotations

import pytest

from shards.base.errors import SourceError
from shards.storage.stores.filesystem import open_filesystem, version_of


def test_an_unknown_kind_of_url_is_named_with_those_that_are_known() -> None:
    with pytest.raises(SourceError, match=r"s4://x/y: no kind of URL begins with s4://; known are s3, http, "):
        open_filesystem("s4://x/y")


def test_a_missing_package_is_named() -> None:
    with pytest.raises(SourceError, match=r"gs://x/y: gs:// needs a package that is not installed \(.*gcsfs"):
        open_filesystem("gs://x/y")


def test_the_most_reliable_field_tells_the_version() -> None:
    assert version_of({"mtime": 7, "ETag": '"a"'}) == 'ETag="a"' and version_of({"mtime": 7, "ETag": ""}) == "mtime=7"
    assert version_of({"size": 7}) == ""
