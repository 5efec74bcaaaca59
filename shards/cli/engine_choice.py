"""The options --engine and --address: where the work of a command is done."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import typer

from shards.base.engines import Engine
from shards.base.errors import UsageError

EngineName = Literal["processes", "ray"]
ENGINE_OPTION = typer.Option("processes", help="processes (of this machine) or ray (an existing cluster).")
ADDRESS_OPTION = typer.Option(
    None,
    help="Of the Ray cluster: HOST:PORT, ray://HOST:PORT, or auto (the one that this machine belongs to).  "
    "[default: $RAY_ADDRESS or auto]",
)


@contextmanager
def chosen_engine(name: EngineName, address: str | None) -> Iterator[Engine | None]:
    """The engine that the options name, None for processes. Raises UsageError, ClusterError."""
    if name == "processes":
        if address is not None:
            raise UsageError(f"--address {address}: only Ray has one; add --engine ray, or leave it out")
        yield None
        return
    from shards.base.ray_engine import ray_cluster

    with ray_cluster(address or os.environ.get("RAY_ADDRESS") or "auto") as engine:
        yield engine
