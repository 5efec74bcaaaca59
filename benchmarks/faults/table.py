"""All faults of the scorecard by name; each is a function that brings the fault about and judges what a system does."""

from __future__ import annotations

from collections.abc import Callable

from faults.data import (
    bad_sample,
    bit_flip,
    cut_at_boundary,
    cut_inside,
    missing_shard,
    pickled,
    stale_index,
    zeroed_tail,
)
from faults.ground import Ground
from faults.machine import clock_jump, full_disk, one_cache, same_names
from faults.processes import parent_killed, worker_killed, wrong_batch, wrong_topology
from faults.stores import cut_connections, expired, forked_client, storm
from judge import Verdict

FAULTS: dict[str, Callable[[Ground, str], Verdict]] = {
    "shard cut at a member": cut_at_boundary,
    "shard cut inside a member": cut_inside,
    "zeroed tail": zeroed_tail,
    "bit flip": bit_flip,
    "stale index": stale_index,
    "missing shard": missing_shard,
    "bad sample": bad_sample,
    "pickle in a shard": pickled,
    "503 storm": storm,
    "cut connections": cut_connections,
    "expired credentials": expired,
    "forked client": forked_client,
    "parent killed": parent_killed,
    "worker killed": worker_killed,
    "resume on another topology": wrong_topology,
    "resume with another batch": wrong_batch,
    "full disk": full_disk,
    "clock jump": clock_jump,
    "two nodes on one cache": one_cache,
    "two datasets on one cache": same_names,
}
