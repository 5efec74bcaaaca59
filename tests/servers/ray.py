"""A Ray cluster of real processes on this machine: `ray start`, on ports of its own, with nothing reported home."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

START_SECONDS = 120.0
_SHARED = ("--disable-usage-stats", "--object-store-memory=100000000", "--dashboard-agent-listen-port=0")


@contextmanager
def ray_head(num_cpus: int = 2) -> Iterator[str]:
    """The address of a cluster whose one node has so many CPUs; workers import from the folder of this process."""
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # the paths of Ray's sockets must be short
    port, client_port = _free_ports(2)
    options = [f"--port={port}", f"--ray-client-server-port={client_port}", f"--temp-dir={folder}"]
    before = os.environ.get("RAY_AUTH_MODE")
    os.environ["RAY_AUTH_MODE"] = "disabled"  # a token that some other cluster left in the home folder is not ours
    try:
        with _node(folder, "--head", "--include-dashboard=false", f"--num-cpus={num_cpus}", *options):
            yield f"127.0.0.1:{port}"
    finally:
        os.environ.pop("RAY_AUTH_MODE") if before is None else os.environ.update(RAY_AUTH_MODE=before)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def ray_node(address: str, num_cpus: int = 1) -> Iterator[psutil.Process]:
    """A further node of a cluster; yields the process whose descendants it consists of."""
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    try:
        with _node(folder, f"--address={address}", f"--num-cpus={num_cpus}") as process:
            yield process
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _node(folder: str, *options: str) -> Iterator[psutil.Process]:
    words = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *_SHARED, *options]
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": os.getcwd()}
    log = Path(folder) / "start.log"
    with open(log, "wb") as file:
        started = subprocess.Popen(words, stdout=file, stderr=file, env=environment, start_new_session=True)
    process = psutil.Process(started.pid)
    try:
        end = time.monotonic() + START_SECONDS
        while b"Ray runtime started" not in log.read_bytes():
            if started.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"ray start failed: {log.read_text(errors='replace')}")
            time.sleep(0.1)
        yield process
    finally:
        end_node(process)
        started.wait()


def end_node(process: psutil.Process) -> None:
    """Kill a node: all its processes, at once."""
    try:
        found = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for one in found:
        try:
            one.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(found[1:], timeout=30)


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
