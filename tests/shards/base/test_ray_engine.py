"""A Ray cluster gives the results of one machine, in order, through deaths; one that is not there is told."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shards.base import ray_engine
from shards.base.engines import LOOK_AHEAD
from shards.base.errors import ChangedFile, ClusterError, ProcessDied, UsageError
from shards.base.ray_engine import RETRIES, ray_cluster
from tests.servers.ray import end_node, ray_head, ray_node


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_cluster_that_is_not_there_is_told_in_a_line(silent_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = f"127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(ClusterError, match=rf"Ray at {closed}: no connection .*refused.*; start Ray there"):
            ray_cluster(closed).__enter__()
    monkeypatch.setattr(ray_engine, "CONNECT_SECONDS", 0.2)
    with pytest.raises(ClusterError, match=r"Ray at ray://127.0.0.1:[0-9]+: no answer within 0 s; start Ray"):
        ray_cluster(f"ray://127.0.0.1:{silent_port}").__enter__()
    with pytest.raises(ClusterError, match=r"Ray at no-such-host.invalid:1: no connection"):
        ray_cluster("no-such-host.invalid:1").__enter__()


def test_another_server_is_no_ray() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(ClusterError, match="what answers there is no Ray"):
            ray_cluster(f"127.0.0.1:{server.getsockname()[1]}").__enter__()
        thread.join()


@pytest.mark.parametrize("address", ["", "local", "host", "host:", "host:0", "host:70000", "http://host:1", ":6379"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match=r"no address of a cluster; give HOST:PORT, with ray:// before it .*, or auto"):
        ray_cluster(address).__enter__()


def test_where_ray_is_not_installed_a_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ClusterError, match=r"Ray is not installed .* pip install 'mcg-streams\[ray\]'"):
        ray_cluster("auto").__enter__()


def _square(number: int) -> int:
    return number * number


def _failing(number: int) -> int:
    if number == 1:
        raise ChangedFile("a.tar", "v1", "v2")
    return number


def _dying(folder: str, number: int) -> int:
    """Kills its process: the first time for item 1, always for item 2."""
    if number == 2 or (number == 1 and not os.path.exists(f"{folder}/died")):
        Path(folder, "died").touch()
        os._exit(1)
    return number


def _folder(number: int) -> str:
    return os.getcwd()


@pytest.mark.long
def test_results_come_in_order_and_few_items_are_drawn_ahead(ray_address: str, capfd: pytest.CaptureFixture) -> None:
    drawn: list[int] = []

    def items() -> Iterator[int]:
        for number in range(20):
            drawn.append(number)
            yield number

    with ray_cluster(ray_address) as engine:
        for number, result in enumerate(engine(_square, items())):
            assert result == number * number and len(drawn) <= number + 2 * LOOK_AHEAD + 1
        assert list(engine(_folder, [0])) == [os.getcwd()]
    assert capfd.readouterr().out == ""


@pytest.mark.long
def test_an_error_comes_at_its_turn_and_leaving_early_stops_the_work(ray_address: str) -> None:
    with ray_cluster(ray_address) as engine:
        results = engine(_failing, range(3))
        assert next(results) == 0
        with pytest.raises(ChangedFile, match=r"a.tar: changed while it was being read .v1 before, v2 now"):
            next(results)
        results = engine(time.sleep, [0, 1000, 1000])
        next(results)
        results.close()


DEATHS = """
import sys
from functools import partial
from shards.base import ray_cluster
from tests.shards.base.test_ray_engine import _dying
with ray_cluster(sys.argv[1]) as engine:
    results = engine(partial(_dying, sys.argv[2]), range(3))
    print(next(results), next(results))
    try:
        next(results)
    except Exception as error:
        print(type(error).__name__, error.items, error)
"""


@pytest.mark.long
def test_work_goes_on_where_a_worker_died_and_an_item_that_kills_each_is_named(
    ray_address: str, tmp_path: Path
) -> None:
    words = [sys.executable, "-c", DEATHS, ray_address, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=200)
    # Nothing of Ray's own on stdout.
    text = f"a Ray worker died at work {RETRIES + 1} times (out of memory, or a medium that crashes its decoder)"
    assert done.stdout.splitlines() == ["0 1", f"{ProcessDied.__name__} [2] {text}"], done


@pytest.mark.long
def test_workers_with_other_versions_or_files_are_refused(
    ray_address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ray_cluster(ray_address) as engine:
        versions = ray_engine._versions()
        monkeypatch.setattr(ray_engine, "_versions", lambda: {**versions, "av": "0.1"})
        with pytest.raises(ClusterError, match=r"the Ray worker on .* has av .*, this machine 0.1: .*install the same"):
            list(engine(abs, [1]))
        monkeypatch.setattr(ray_engine, "_versions", lambda: versions)
        gone = tmp_path / "gone"
        gone.mkdir()
        monkeypatch.chdir(gone)
        gone.rmdir()
        monkeypatch.setattr(os, "getcwd", lambda: str(gone))
        with pytest.raises(ClusterError, match=r"sees no folder .*gone .*start the command in a folder of the shared"):
            list(engine(abs, [1]))


@pytest.mark.long
def test_another_version_of_ray_is_told_in_a_line(ray_address: str) -> None:
    program = f"""
import ray
ray.__version__ = "0.0.1"
from shards.base import ray_cluster
try:
    ray_cluster({ray_address!r}).__enter__()
except Exception as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=200)
    (line,) = done.stdout.splitlines()
    assert line.startswith(f"ClusterError Ray at {ray_address}: Version mismatch"), done
    assert "install the same versions of Ray and Python here and there" in line


def _slow(number: int) -> int:
    time.sleep(0.05)
    return number


@pytest.mark.long
def test_a_node_that_dies_costs_its_tasks_alone() -> None:
    # The driver comes first: it belongs to a node of its machine, and ends with that one.
    with ray_head(num_cpus=1) as address, ray_cluster(address) as engine, ray_node(address) as node:
        results = engine(_slow, range(30))
        found = [next(results)]
        end_node(node)
        assert [*found, *results] == list(range(30))
