"""Where the work of a command is done: in threads of this machine, or by the tasks of an existing Ray cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from shards.base import Engine, ray_cluster
from shards.base import threads as in_threads
from shards.cli import num_cores
from tools.rows import OptionError

ENGINE_OPTION = typer.Option("threads", "--engine", help="threads (of this machine) or ray (an existing cluster).")
ADDRESS_OPTION = typer.Option(
    None,
    "--address",
    help="Of the Ray cluster: HOST:PORT, ray://HOST:PORT, or auto (the one that this machine belongs to).  "
    "[default: $RAY_ADDRESS or auto]",
)
THREADS_OPTION = typer.Option(None, min=1, help="Media that are worked on at once.  [default: all cores]")


@contextmanager
def chosen_engine(kind: str, address: str | None, threads: int | None) -> Iterator[Engine]:
    """The engine that the options name. Raises OptionError; UsageError and ClusterError from ray_cluster."""
    if kind not in ("threads", "ray"):
        raise OptionError(f"--engine {kind}: no such engine; use threads or ray")
    if kind == "threads":
        if address is not None:
            raise OptionError(f"--address {address}: only Ray has one; add --engine ray, or leave it out")
        yield in_threads(threads or num_cores())
        return
    if threads is not None:
        raise OptionError(
            "--threads is for this machine; a Ray cluster has as many workers as CPUs (ray start --num-cpus)"
        )
    with ray_cluster(address or os.environ.get("RAY_ADDRESS") or "auto") as engine:
        yield engine
