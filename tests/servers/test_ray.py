"""The cluster of the tests is one of real processes, and a node ends with all of its own."""

from __future__ import annotations

import psutil
import pytest

from tests.servers.ray import end_node, ray_node


@pytest.mark.long
def test_a_node_leaves_no_process(ray_address: str) -> None:
    with ray_node(ray_address) as node:
        processes = [node, *node.children(recursive=True)]
        assert any("raylet" in process.name() for process in processes)
        end_node(node)
        _, alive = psutil.wait_procs(processes, timeout=30)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE], alive
