"""What tests of several folders use: servers (S3 that checks signatures, a proxy that makes the way there bad), and the
larger test data that lies beside the repository on some machines."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from shards.base import WordNetError, find_wordnet
from tests.servers.moto import moto_server
from tests.servers.proxy import FaultProxy
from tests.servers.ray import ray_head
from tests.servers.rgw import INSTALL, missing_programs, rgw_server
from tests.servers.s3 import S3Server

# No example is too slow: a busy machine is no failure. Where CI is set, Hypothesis takes the same examples every time.
usual = hypothesis.settings.get_profile("ci" if os.environ.get("CI") else "default")
hypothesis.settings.register_profile("tests", usual, deadline=None)
hypothesis.settings.load_profile("tests")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Modules and tests stay to the end; looking through them for garbage is half of the time that collecting takes."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """A moto S3 server."""
    with moto_server() as server:
        yield server


@pytest.fixture(scope="session")
def rgw() -> Iterator[S3Server]:
    """A Ceph RGW; where its packages are not installed the tests are skipped, but not in continuous integration."""
    missing = missing_programs()
    if missing and not os.environ.get("MCG_REQUIRE_RGW"):
        pytest.skip(f"no Ceph RGW here ({missing[0]} not found): {INSTALL}")
    with rgw_server() as server:
        yield server


@pytest.fixture(scope="session")
def ray_address() -> Iterator[str]:
    """The address of a Ray cluster of two CPUs, and never more: a node that died is counted for half a minute yet, so
    a test that adds one does so to a cluster of its own."""
    with ray_head() as address:
        yield address


@pytest.fixture(scope="session")
def ffcv() -> Any:
    """The ffcv package; where it is not installed the tests are skipped, but not in continuous integration."""
    try:
        import ffcv
    except ImportError as error:
        if os.environ.get("MCG_REQUIRE_FFCV"):
            raise
        pytest.skip(f"no ffcv here ({error}): apt-get install libopencv-dev libturbojpeg0-dev pkg-config; make ffcv")
    return ffcv


@pytest.fixture(scope="session")
def wordnet_folder() -> Path:
    """WordNet's files; where they are not installed the tests are skipped, but not in continuous integration."""
    try:
        return find_wordnet(None, "the tests", "MCG_REQUIRE_WORDNET")
    except WordNetError as error:
        if os.environ.get("MCG_REQUIRE_WORDNET"):
            raise
        pytest.skip(str(error))


@pytest.fixture
def use_s3(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """use_s3(server, endpoint=, key=, secret=): what the environment says from now on."""

    def use(server: S3Server, **others: str) -> None:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        for name, value in server.environment(**others).items():
            monkeypatch.setenv(name, value)

    return use


@pytest.fixture
def s3_login(s3_server: S3Server, use_s3: Callable[..., None]) -> Callable[[str, str], None]:
    """s3_login(key, secret): use these with the moto server from now on."""
    return lambda key, secret: use_s3(s3_server, key=key, secret=secret)


@pytest.fixture
def proxy(s3_server: S3Server) -> Iterator[FaultProxy]:
    """A proxy before the moto server that does nothing yet."""
    with FaultProxy(s3_server.address) as running:
        yield running


@pytest.fixture(scope="session")
def corpus() -> Path:
    """Real clips and pictures, with annotations in the public sets' true forms (see MCG_CORPUS in CONTRIBUTING.md)."""
    return _beside("MCG_CORPUS", "corpus")


@pytest.fixture(scope="session")
def published() -> Path:
    """Annotation files as their authors published them (see MCG_ANNOTATIONS in CONTRIBUTING.md)."""
    return _beside("MCG_ANNOTATIONS", "annotations")


def _beside(variable: str, name: str) -> Path:
    folder = Path(os.environ.get(variable, Path(__file__).resolve().parents[2] / "shared" / name))
    if not folder.is_dir():
        pytest.skip(f"no {folder}: these tests run only beside the larger test data; {variable} names another place")
    return folder
