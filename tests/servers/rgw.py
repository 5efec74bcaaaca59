"""A Ceph RGW, a real S3 server, on loopback: one monitor, one object store in memory, one gateway.

    python -m tests.servers.rgw --port 5059      prints the environment variables that lead there; Ctrl-C ends it

Needs the Debian packages radosgw, ceph-mon and ceph-osd, no root and no service; what it stores is gone when it ends.
The daemons run in the foreground as children of this process and end with it, whatever ends it.
Good for: signatures, ETags, multipart, errors as in production. Starts in about two seconds; 220 MB and the data.
"""

from __future__ import annotations

import argparse
import base64
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tests.servers.s3 import S3Server

INSTALL = "apt-get install --no-install-recommends radosgw ceph-mon ceph-osd"
"""What brings all programs on Debian and Ubuntu."""
PROGRAMS = ("radosgw", "ceph-mon", "ceph-osd", "ceph", "monmaptool", "radosgw-admin", "setpriv")
KEY, SECRET, BUCKET = "DEMOKEY", "demo-secret", "bucket"
_START_SECONDS = 100
"""A program that takes longer than this is broken."""

# A monitor gathers changes for a second before it agrees on them with others; there are no others here, and a start
# makes a dozen changes one after the other.
_CONFIG = """
[global]
fsid = {fsid}
mon host = {mon_address}
mon data = {folder}/mon
mon data avail crit = 1
mon allow pool size one = true
mon max pg per osd = 1000
paxos propose interval = 0.05
paxos min wait = 0.01
ms bind msgr1 = false
public addr = 127.0.0.1
cluster addr = 127.0.0.1
keyring = {folder}/keyring
osd data = {folder}/osd
osd objectstore = memstore
memstore device bytes = {bytes}
osd memory target = 939524096
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 2
osd pool default pgp num = 2
osd crush chooseleaf type = 0
run dir = {folder}
admin socket = {folder}/$name.asok
log file = {folder}/$name.log
rgw frontends = beast endpoint=127.0.0.1:{port}
"""
_ROLES = {
    "mon.": {"mon": "allow *"},
    "client.admin": {"mon": "allow *", "osd": "allow *"},
    "client.rgw": {"mon": "allow *", "osd": "allow *"},
    "osd.0": {"mon": "allow profile osd", "osd": "allow *"},
}
"""Who may do what inside the cluster."""


class RgwError(RuntimeError):
    """The gateway did not start; says which program failed, and what it wrote."""


def missing_programs() -> list[str]:
    """What has to be installed before a gateway can be started."""
    return [program for program in PROGRAMS if not shutil.which(program)]


@contextmanager
def rgw_server(port: int = 0, gigabytes: int = 4) -> Iterator[S3Server]:
    """A gateway with one account and one empty bucket, that ends with the block or with this process."""
    missing = missing_programs()
    if missing:
        raise RgwError(f"{', '.join(missing)} not found; install with: {INSTALL}")
    with ExitStack() as stack:
        # Nothing is worth keeping, and a broken daemon's files should not keep the test from ending.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rgw-", ignore_cleanup_errors=True)))
        cluster = _Cluster(folder, port, gigabytes)
        stack.callback(cluster.stop)
        cluster.start()
        server = S3Server(f"http://127.0.0.1:{cluster.port}", BUCKET, KEY, SECRET)
        server.client().create_bucket(Bucket=BUCKET)
        yield server


class _Cluster:
    def __init__(self, folder: Path, port: int, gigabytes: int) -> None:
        self.folder = folder
        mon_port, free_port = _free_ports(2)
        self.port = port or free_port
        self._mon_address = f"v2:127.0.0.1:{mon_port}"
        self._daemons: list[tuple[str, subprocess.Popen[bytes]]] = []
        facts = {"folder": folder, "mon_address": self._mon_address, "port": self.port, "bytes": gigabytes << 30}
        self._fsid = str(uuid.uuid4())
        (folder / "ceph.conf").write_text(_CONFIG.format(fsid=self._fsid, **facts))
        (folder / "keyring").write_text("".join(_keyring_entry(name, caps) for name, caps in _ROLES.items()))
        (folder / "osd").mkdir()

    def start(self) -> None:
        members = str(self.folder / "monmap")
        self._call("monmaptool", "--create", "--fsid", self._fsid, "--addv", "a", self._mon_address, members)
        self._call("ceph-mon", "--mkfs", "-i", "a", "--monmap", members)
        self._spawn("ceph-mon", "-f", "-i", "a")
        # The store is refused unless the monitor knows it by the same number.
        osd = str(uuid.uuid4())
        self._call("ceph", "--connect-timeout", str(_START_SECONDS), "osd", "new", osd)
        self._call("ceph-osd", "--mkfs", "-i", "0", "--osd-uuid", osd)
        self._spawn("ceph-osd", "-f", "-i", "0")
        self._spawn("radosgw", "-f", "-n", "client.rgw")
        account = ("--uid", "demo", "--display-name", "demo", "--access-key", KEY, "--secret-key", SECRET)
        self._call("radosgw-admin", "user", "create", *account)
        self._wait_for_answer()

    def stop(self) -> None:
        for _, daemon in self._daemons:
            daemon.kill()
        for _, daemon in self._daemons:
            daemon.wait()

    def _call(self, program: str, *arguments: str) -> None:
        command = [program, "-c", str(self.folder / "ceph.conf"), *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_START_SECONDS, check=False)
        except subprocess.TimeoutExpired as error:
            raise RgwError(f"{' '.join(command)}: no end after {_START_SECONDS} s\n{self._logs()}") from error
        if done.returncode:
            raise RgwError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr}\n{self._logs()}")

    def _spawn(self, program: str, *arguments: str) -> None:
        # A killed test process has no time to end anybody: the kernel does it.
        command = ["setpriv", "--pdeathsig", "KILL", program, "-c", str(self.folder / "ceph.conf"), *arguments]
        with open(self.folder / f"{program}.out", "wb") as out:
            daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        self._daemons.append((program, daemon))

    def _wait_for_answer(self) -> None:
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until:
            for name, daemon in self._daemons:
                if daemon.poll() is not None:
                    raise RgwError(f"{name} ended with code {daemon.returncode}\n{self._logs()}")
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=5):
                return
            time.sleep(0.1)
        raise RgwError(f"the gateway does not answer after {_START_SECONDS} s\n{self._logs()}")

    def _logs(self) -> str:
        files = sorted([*self.folder.glob("*.out"), *self.folder.glob("*.log")])
        return "\n".join(f"--- {file.name}\n{file.read_text(errors='replace')[-2000:]}" for file in files)


def _keyring_entry(name: str, caps: dict[str, str]) -> str:
    """A new secret key in Ceph's form: its kind, when it was made, its length, 16 random bytes."""
    key = base64.b64encode(struct.pack("<HIIH", 1, int(time.time()), 0, 16) + os.urandom(16)).decode()
    lines = [f"[{name}]", f"key = {key}", *(f'caps {service} = "{what}"' for service, what in caps.items())]
    return "\n".join(lines) + "\n"


def _free_ports(count: int) -> list[int]:
    """Below those that the kernel hands out (32768 and more), or a connection might take one before its daemon does."""
    found: list[int] = []
    while len(found) < count:
        port = random.SystemRandom().randrange(30_000, 32_768)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found += [port] if port not in found else []
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="A real S3 server on loopback, whose data is in memory.")
    parser.add_argument("--port", type=int, default=0, help="where it listens on 127.0.0.1; 0: any free port")
    parser.add_argument("--gigabytes", type=int, default=4, help="how much it takes at most")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with rgw_server(given.port, given.gigabytes) as server:
            for name, value in server.environment().items():
                print(f"export {name}={value}")
            print(f"# the bucket is s3://{server.bucket}; end with Ctrl-C", flush=True)
            while True:
                time.sleep(0.5)
    except KeyboardInterrupt:
        pass
    except RgwError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
