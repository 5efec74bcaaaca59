"""--engine and --address name one place of work, or say what is missing."""

from __future__ import annotations

import socket

import pytest

from shards.base.errors import ClusterError, UsageError
from shards.cli.engine_choice import chosen_engine


def test_this_machine_is_the_default_and_has_no_address() -> None:
    with chosen_engine("processes", None) as engine:
        assert engine is None
    with pytest.raises(UsageError, match=r"--address x:1: only Ray has one; add --engine ray"):
        chosen_engine("processes", "x:1").__enter__()


def test_a_cluster_needs_an_address_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "no address")
    with pytest.raises(UsageError, match=r"Ray at 'no address': no address of a cluster"):
        chosen_engine("ray", None).__enter__()
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(ClusterError, match=r"Ray at 127\.0\.0\.1:[0-9]+: no connection"):
            chosen_engine("ray", f"127.0.0.1:{unused.getsockname()[1]}").__enter__()
