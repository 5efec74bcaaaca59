"""The cluster of the tests is one of real processes, and a node ends with all of its own."""

from __future__ import annotations

import psutil
import pytest

from tests.servers.ray import end_node, ray_head, ray_node


@pytest.mark.long
def test_a_node_leaves_no_process() -> None:
    with ray_head(num_cpus=1) as address, ray_node(address) as node:
        processes = [node, *node.children(recursive=True)]
        assert any("raylet" in process.name() for process in processes)
        end_node(node)
        _, alive = psutil.wait_procs(processes, timeout=30)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE], alive
