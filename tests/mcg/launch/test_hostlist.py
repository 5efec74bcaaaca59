"""Slurm's lists of hosts are expanded as scontrol expands them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcg.launch.hostlist import expand_hosts


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("localhost", ["localhost"]),
        ("node[01-04,7]", ["node01", "node02", "node03", "node04", "node7"]),
        ("gpu-a,node[9-11].cluster", ["gpu-a", "node9.cluster", "node10.cluster", "node11.cluster"]),
        ("rack[1-2]n[08,10]", ["rack1n08", "rack1n10", "rack2n08", "rack2n10"]),
        ("n[098-101]", ["n098", "n099", "n100", "n101"]),
    ],
)
def test_a_list_is_expanded_in_order(text: str, hosts: list[str]) -> None:
    assert expand_hosts(text) == hosts


@given(st.lists(st.tuples(st.integers(0, 999), st.integers(0, 30), st.integers(1, 4)), min_size=1, max_size=5))
def test_ranges_keep_their_width_and_order(ranges: list[tuple[int, int, int]]) -> None:
    inside = ",".join(f"{first:0{width}}-{first + more:0{width}}" for first, more, width in ranges)
    expected = [f"n{first + i:0{width}}" for first, more, width in ranges for i in range(more + 1)]
    assert expand_hosts(f"n[{inside}]") == expected


@pytest.mark.parametrize(
    "text", ["", ",", "a,,b", "a,", "node[", "node[1-2", "node]1", "node[3-1]", "node[a-b]", "node[]", "a b", "n[1--2]"]
)
def test_what_is_no_list_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no list of hosts|no number and no range|no range from"):
        expand_hosts(text)


def test_a_list_that_would_fill_the_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 100000 hosts"):
        expand_hosts("n[0-999][0-999]")
    with pytest.raises(ValueError, match="no range"):
        expand_hosts("n[0-99999999999]")
