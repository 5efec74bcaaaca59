"""`python -m mcg.launch.hostfile FILE`: is a hostfile of DeepSpeed what it should be, before ssh is tried on it?

Each line is `HOST slots=N`, or empty, or a comment behind #. Checked are the form, hosts named twice, and that each
host is known here by its name; not that it is up, or that ssh lets us in.
"""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Annotated

import typer

from shards.base import PrintableError, say
from shards.cli import DEBUG_OPTION, one_line_errors, start_command

_LINE = re.compile(r"(\S+)\s+slots=(\d+)")


class HostfileError(PrintableError, ValueError):
    """A hostfile that DeepSpeed cannot use; one line per fault."""


def read_hostfile(path: Path) -> dict[str, int]:
    """Host -> number of its processes. Raises HostfileError."""
    hosts: dict[str, int] = {}
    faults = []
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        line = text.partition("#")[0].strip()
        found = _LINE.fullmatch(line)
        if not line:
            continue
        if found is None:
            faults.append(f"{path}:{number}: {line!r} is not HOST slots=N, e.g. node01 slots=8")
        elif found[1] in hosts:
            faults.append(f"{path}:{number}: {found[1]} is named twice; give it one line with all its slots")
        else:
            hosts[found[1]] = int(found[2])
            faults += _unknown(found[1], f"{path}:{number}")
    if not hosts and not faults:
        faults.append(f"{path}: no host in it; write a line HOST slots=N for each node")
    if faults:
        raise HostfileError(*faults)
    return hosts


def _unknown(host: str, place: str) -> list[str]:
    try:
        socket.getaddrinfo(host, None)
        return []
    except OSError as error:
        return [f"{place}: {host}: no host of this name is known here ({error.strerror}); correct it, or give its IP"]


def main(
    hostfile: Annotated[Path, typer.Argument(help="A line HOST slots=N for each node.")],
    debug: bool = DEBUG_OPTION,
) -> None:
    """Check a hostfile of DeepSpeed: its form, and that its hosts are known."""
    with one_line_errors(debug):
        hosts = read_hostfile(hostfile)
        say(f"{hostfile}: {len(hosts)} hosts, {sum(hosts.values())} processes")


if __name__ == "__main__":
    start_command(main, "python -m mcg.launch.hostfile")
