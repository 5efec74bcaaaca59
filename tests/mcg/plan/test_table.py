"""A plan is told in lines, and loudly where it does not fit."""

from __future__ import annotations

from dataclasses import replace

from mcg.plan.plan import Plan
from mcg.plan.table import lines
from mcg.plan.timing import StepTime

PLAN = Plan(
    "h200", 4, 8, {"trained": 1000, "frozen": 20}, {"weights": 10**9, "activations": 2 * 10**9}, 141 * 10**9, 10**8,
    StepTime(0.5, 0.25, 0.0), 20.0, 7200, 1.0, 64.0, 3.2e6, 1.5, 70.0, 230_400, 6.4,
)  # fmt: skip


def test_memory_time_and_data_are_told() -> None:
    told = "\n".join(" ".join(line.split()) for line in lines(PLAN))
    assert "4 x H200, micro-batch 8\n1,000 parameters are trained, 20 frozen" in told
    assert "weights 1.00\nactivations 2.00\nall 3.00 fits into 141\non the host, batches 0.10" in told
    assert "a step: 0.5 s (computing 0.5, sending 0.25, whichever is longer)\n20 TFLOP a rank, 40 TFLOP/s" in told
    assert "the run: 7,200 steps, 1 hours" in told
    assert "data: 64 samples/s for all ranks\nfrom storage 3.2 MB/s\ndecoding on 1.5 CPU cores" in told
    assert "70 GB in 230,400 requests at most, 6.40 US dollars" in told


def test_what_does_not_fit_and_what_is_not_known_is_said() -> None:
    small = replace(PLAN, memory_limit=10**9, steps=None, hours=None, bytes_per_second=None, decoding_cores=None)
    told = "\n".join(lines(replace(small, store_gb=None, requests=None, dollars=None)))
    assert "DOES NOT FIT into 1" in told and "tell --elements" in told
    assert "storage" not in told and "dollars" not in told
