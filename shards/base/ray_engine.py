"""An engine on an existing Ray cluster: every item is one task of Ray, which places, retries and moves them.

Promises: the results of a cluster are those of one machine, in the order of the items, whatever the number of workers:
a worker whose versions or source text differ from this process's is refused. Items are drawn LOOK_AHEAD per CPU of the
cluster ahead of their turn; their results wait in Ray's object store, which has a limit of its own and spills to disk.
A worker or node that dies costs its tasks: Ray runs them again.
Gives up: a scheduler of ours; files that only this machine has. Ray reports nothing home (RAY_USAGE_STATS_ENABLED=0).
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import logging
import os
import platform
import socket
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from shards.base.engines import LOOK_AHEAD, Engine, Item, Result
from shards.base.errors import ClusterError, PrintableError, ProcessDied, UsageError
from shards.base.printing import logger

CONNECT_SECONDS = 10.0
"""How long an address may take to answer before Ray is asked to connect; Ray itself tries for two minutes."""
RETRIES = 3
"""How often Ray runs the task of an item again whose worker or node died."""
_CPUS_SECONDS = 10.0
"""Between two looks at how many CPUs the cluster has; it may grow and shrink."""
_LIBRARIES = ("av", "numpy", "pillow", "pyarrow", "xxhash")
"""Distributions whose versions may change results."""
_PACKAGES = ("shards", "tools")
"""Packages of ours that tasks run."""
_HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
_HTTP2_SETTINGS = 4
"""Type of the frame that begins every answer of a gRPC server (RFC 9113, 3.4)."""
_log = logger(__name__)


@contextmanager
def ray_cluster(address: str) -> Iterator[Engine]:
    """An engine on the cluster at "HOST:PORT", "ray://HOST:PORT" or "auto" (the one that this machine belongs to).

    Where this process is connected to Ray already, that connection is used and kept. Function and items have to be
    picklable. Tasks run in the folder of this process. The engine raises what the function raises, ProcessDied where
    an item's workers die again and again, and ClusterError for a worker that sees other files or has other versions.
    Raises UsageError for an address of another form, ClusterError where Ray is not installed or cannot be reached.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")  # Ray prints the deaths of workers to stdout otherwise
    try:
        import ray
    except ImportError as error:
        raise ClusterError(f"Ray is not installed ({error}): pip install 'mcg-streams[ray]', or use threads") from None
    connected = ray.is_initialized()
    if not connected:
        _connect(address)
    try:
        yield _tasks
    finally:
        if not connected:
            ray.shutdown()


def _connect(address: str) -> None:
    import ray

    remedy = "start Ray there (ray start --head), or give the address that `ray status` shows on its head node"
    if address != "auto":
        fault = _silence(*_host_and_port(address))
        if fault:
            raise ClusterError(f"Ray at {address}: {fault}; {remedy}")
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # Ray raises errors of many kinds
        why = " ".join(str(error).split())
        if "Failed to connect" in why:
            remedy += "; a cluster with tokens needs RAY_AUTH_MODE=token and its token here, too"
        if "ersion" in why:
            remedy = "install the same versions of Ray and Python here and there"
        raise ClusterError(f"Ray at {address}: {why[:400]}; {remedy}") from None


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or "/" in host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise UsageError(
            f"Ray at {address!r}: no address of a cluster; give HOST:PORT, with ray:// before it for a Ray Client "
            "server, or auto"
        )
    return host.strip("[]"), int(port)


def _silence(host: str, port: int) -> str:
    """The reason why no gRPC server answers at an address, or ""."""
    try:
        with socket.create_connection((host, port), CONNECT_SECONDS) as connection:
            if os.environ.get("RAY_USE_TLS", "0") == "1":
                return ""  # Ray itself has the certificates
            connection.settimeout(CONNECT_SECONDS)
            connection.sendall(_HTTP2_PREFACE)
            answer = connection.recv(9)
    except TimeoutError:
        return f"no answer within {CONNECT_SECONDS:.0f} s"
    except (OSError, UnicodeError) as error:
        return f"no connection ({getattr(error, 'strerror', None) or error})"
    is_grpc = len(answer) > 3 and answer[3] == _HTTP2_SETTINGS
    return "" if is_grpc else "what answers there is no Ray"


def _tasks(work: Callable[[Item], Result], items: Iterable[Item]) -> Generator[Result, None, None]:
    import ray

    task = ray.remote(num_cpus=1, max_retries=RETRIES)(_run)
    # A list: Ray fetches references among the arguments themselves, for each task anew.
    shared = [ray.put(work)]
    folder, versions = os.getcwd(), _versions()
    waiting: deque[tuple[Any, Item]] = deque()
    limit, looked = 0, -_CPUS_SECONDS
    try:
        for item in items:
            waiting.append((task.remote(shared, item, folder, versions), item))
            if time.monotonic() - looked >= _CPUS_SECONDS:
                limit, looked = LOOK_AHEAD * _num_cpus(), time.monotonic()
            while len(waiting) > limit:
                yield _taken(*waiting[0])
                waiting.popleft()
        while waiting:
            yield _taken(*waiting[0])
            waiting.popleft()
    finally:
        for reference, _ in waiting:
            ray.cancel(reference)


def _num_cpus() -> int:
    import ray

    number = int(ray.cluster_resources().get("CPU", 0))
    if not number:
        _log.warning("the Ray cluster has no CPU now: work waits until a node with some joins it")
    return max(1, number)


def _taken(reference: Any, item: Any) -> Any:
    """The result of a task."""
    import ray

    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, Exception):
            raise error.cause from error  # the traceback of the worker is the error's
        raise
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError) as error:
        raise ProcessDied(
            f"a Ray worker died at work {RETRIES + 1} times (out of memory, or a medium that crashes its decoder)",
            [item],
        ) from error
    except ray.exceptions.RayError as error:
        why = " ".join(str(error).split())
        raise ClusterError(
            f"Ray lost a task ({type(error).__name__}: {why[:300]}); look at `ray status`, then start again: finished "
            "work stays"
        ) from error


def _run(shared: list[Any], item: Any, folder: str, versions: dict[str, str]) -> Any:
    """The work on one item, in a worker. folder, versions: of the process that asks for it."""
    here = _versions()
    different = next((name for name in versions if versions[name] != here.get(name)), None)
    if different is not None:
        raise ClusterError(
            f"the Ray worker on {socket.gethostname()} has {different} {here.get(different)}, this machine "
            f"{versions[different]}: results could differ; install the same on every node"
        )
    try:
        os.chdir(folder)
    except OSError as error:
        raise ClusterError(
            f"the Ray worker on {socket.gethostname()} sees no folder {folder} ({error.strerror}): workers read the "
            "same paths; start the command in a folder of the shared file system"
        ) from None
    try:
        return _fetched(shared[0])(item)
    except Exception as error:
        if _crosses(error):
            raise
        raise PrintableError(f"{type(error).__name__}: {error}") from None


@lru_cache(maxsize=1)
def _fetched(reference: Any) -> Callable[[Any], Any]:
    """The function behind a reference; kept for the next tasks of this worker."""
    import ray

    try:
        work: Callable[[Any], Any] = ray.get(reference)
    except ray.exceptions.RayError as error:
        if isinstance(error.__cause__, ImportError) or "ModuleNotFoundError" in str(error):
            lines = str(error).strip().splitlines()
            raise ClusterError(
                f"the Ray worker on {socket.gethostname()} cannot import the work ({lines[-1]}); install the same "
                "packages on every node"
            ) from None
        raise
    return work


def _crosses(error: Exception) -> bool:
    """Whether an exception can be sent to another process."""
    from ray import cloudpickle

    try:
        cloudpickle.loads(cloudpickle.dumps(error))
    except Exception:
        return False
    return True


@lru_cache(maxsize=1)
def _versions() -> dict[str, str]:
    """Everything by name that may change results: Python, libraries, and the text of our packages."""
    versions = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    for name in _PACKAGES:
        found = importlib.util.find_spec(name)
        folders = list(found.submodule_search_locations or ()) if found else []
        versions[f"the source text of {name}"] = _digest(Path(folders[0])) if folders else "not installed"
    return versions


def _digest(folder: Path) -> str:
    """A digest of the Python files under a folder."""
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
