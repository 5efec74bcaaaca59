"""The options --engine and --address: where the work of a command is done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import typer

from shards.base.engines import Engine
from shards.base.errors import UsageError

EngineName = Literal["local", "ray"]
ENGINE_OPTION = typer.Option(
    "local", help="Where the work is done: on this machine, or on a Ray cluster that is there already."
)
ADDRESS_OPTION = typer.Option(
    None, metavar="HOST:PORT", help="Of the Ray cluster, ray://HOST:PORT for a Ray Client server, or auto."
)


@contextmanager
def chosen_engine(name: EngineName, address: str | None) -> Iterator[Engine | None]:
    """The engine that the options name, None for this machine. Raises UsageError, ClusterError."""
    if name == "local":
        if address is not None:
            raise UsageError(f"--address {address}: is of a Ray cluster; add --engine ray, or leave it out")
        yield None
        return
    if address is None:
        raise UsageError("--engine ray: which cluster? add --address HOST:PORT, or --address auto on one of its nodes")
    from shards.base.ray_engine import ray_cluster

    with ray_cluster(address) as engine:
        yield engine
