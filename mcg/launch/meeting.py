"""Where the ranks of a run meet: one store of keys, at rank 0 or at torchrun's agent.

Promises: returns when every rank has come; where one has not within the time given, or the meeting point cannot be
reached or listened on, the error says so in one line with the ranks that are missing, those that came and what to do.
"""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from torch.distributed import DistError, PrefixStore, Store, TCPStore

from mcg.launch.ranks import Place
from shards.base import PrintableError

STARTUP_SECONDS = 600.0
_RESOLVE_SECONDS = 60.0
"""Patience with a name that is not known yet: that of a pod may come to be only when the pod has started."""
_SLICE = timedelta(seconds=1)
"""Signals are handled in between."""


class MeetingError(PrintableError, RuntimeError):
    """Ranks that did not find each other when a run started."""


@dataclass(frozen=True)
class Met:
    """The ranks that have met."""

    store: Store
    """Shared by all of them, one connection."""
    names: tuple[str, ...]
    """Host and process of every rank."""
    held_by_agent: bool
    """The store is torchrun's, and outlives rank 0."""


def meet(place: Place, seconds: float = STARTUP_SECONDS, environ: Mapping[str, str] = os.environ) -> Met:
    """Wait until every rank has come. seconds: for all of it. Raises MeetingError."""
    until = time.monotonic() + seconds
    by_agent = environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    tcp = _open(place, seconds, by_agent)
    # an agent that starts its ranks once more may keep the store
    store = PrefixStore(f"mcg/{environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", tcp)
    store.set(f"rank/{place.rank}", f"{socket.gethostname()}, pid {os.getpid()}")
    keys = [f"rank/{rank}" for rank in range(place.world)]
    try:
        while not _all_there(store, keys):
            if time.monotonic() > until:
                raise MeetingError(_missing(store, keys, seconds))
        return Met(store, tuple(name.decode() for name in store.multi_get(keys)), by_agent)
    except DistError as error:
        raise MeetingError(f"{_point(place)}: lost while the ranks were meeting: {_first_line(error)}") from error


def _open(place: Place, seconds: float, by_agent: bool) -> TCPStore:
    listens = place.rank == 0 and not by_agent
    if place.world > 1:
        _resolve(place, min(seconds, _RESOLVE_SECONDS))
    try:
        return TCPStore(
            place.host,
            place.port,
            is_master=listens,
            timeout=timedelta(seconds=seconds),
            wait_for_workers=False,
        )
    except DistError as error:
        text = _first_line(error)
        if "EADDRINUSE" in str(error) or f"code: -{errno.EADDRINUSE}" in str(error):
            raise MeetingError(
                f"port {place.port} of {socket.gethostname()} is in use, by another run or by one that has not ended: "
                "choose another for all ranks (MASTER_PORT; deepspeed --master_port; torchrun --rdzv-endpoint)"
            ) from error
        if listens:
            raise MeetingError(f"rank 0 cannot listen on port {place.port} ({text}): choose another port") from error
        raise MeetingError(
            f"rank {place.rank} waited {seconds:.0f} s for rank 0 at {_point(place)}, and nobody answers: see whether "
            f"it has started, and whether a firewall is between the nodes ({text}); engine.startup_seconds waits longer"
        ) from error


def _resolve(place: Place, seconds: float) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
            return
        except OSError as error:
            if time.monotonic() > until:
                raise MeetingError(
                    f"MASTER_ADDR {place.host!r} is no host that {socket.gethostname()} knows ({error.strerror}): "
                    "correct the name in the hostfile or MASTER_ADDR, or give rank 0's IP address"
                ) from error
            time.sleep(min(1.0, seconds / 10))


def _all_there(store: Store, keys: list[str]) -> bool:
    try:
        store.wait(keys, _SLICE)
        return True
    except DistError as error:
        if "timeout" not in str(error).lower():
            raise
        return False


def _missing(store: Store, keys: list[str], seconds: float) -> str:
    there = {rank: store.get(key).decode() for rank, key in enumerate(keys) if store.check([key])}
    missing = [str(rank) for rank in range(len(keys)) if rank not in there]
    hosts = "; ".join(f"{rank} on {name}" for rank, name in list(there.items())[:8])
    more = f"; and {len(there) - 8} more" if len(there) > 8 else ""
    return (
        f"rank {', '.join(missing[:16])}{', ...' if len(missing) > 16 else ''} of {len(keys)} did not start within "
        f"{seconds:.0f} s; here are {hosts}{more}. Look at the output of the nodes that are missing; "
        "engine.startup_seconds waits longer"
    )


def _point(place: Place) -> str:
    return f"{place.host}:{place.port}"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
