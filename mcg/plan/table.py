"""A plan in lines of text."""

from __future__ import annotations

from collections.abc import Iterator

from mcg.plan.plan import CPU, Plan


def lines(plan: Plan) -> Iterator[str]:
    """A block each for memory, time and data."""
    step, on_cpu = plan.step, plan.device == CPU
    kind = "process on this machine's CPU" if on_cpu else plan.device.upper()
    frozen = f", {plan.parameters['frozen']:,} frozen" if plan.parameters["frozen"] else ""
    yield f"{plan.ranks} x {kind}, micro-batch {plan.micro_batch}"
    yield f"{plan.parameters['trained']:,} parameters are trained{frozen}"
    yield ""
    yield "memory of a rank, GB"
    for name, size in plan.memory.items():
        yield f"  {name:30} {size / 1e9:9.2f}"
    verdict = "fits into" if plan.fits else "DOES NOT FIT into"
    yield f"  {'all':30} {plan.memory_sum / 1e9:9.2f}   {verdict} {plan.memory_limit / 1e9:.0f}"
    if not on_cpu:
        yield f"  {'on the host, batches':30} {plan.host_batches / 1e9:9.2f}"
    yield ""
    rest = f"the loader on the same cores {step.loader:.3g}" if on_cpu else "whichever is longer"
    yield f"a step: {step.seconds:.3g} s (computing {step.compute:.3g}, sending {step.communication:.3g}, {rest})"
    yield f"  {plan.tflop_per_step:.4g} TFLOP a rank, {plan.tflop_per_step / step.seconds:.3g} TFLOP/s"
    if plan.steps is None or plan.hours is None:
        yield "the run: its length is in passes, and the data is not here; tell --elements"
    else:
        yield f"the run: {plan.steps:,} steps, {plan.hours:.3g} hours"
    yield ""
    yield f"data: {plan.samples_per_second:.4g} samples/s for all ranks"
    if plan.bytes_per_second is not None:
        yield f"  from storage {plan.bytes_per_second / 1e6:.4g} MB/s"
    if plan.decoding_cores is not None:
        yield f"  decoding on {plan.decoding_cores:.3g} CPU cores like those here, of all machines together"
    if plan.store_gb is not None and plan.requests is not None and plan.dollars is not None:
        yield (
            f"  from an object store without a cache: {plan.store_gb:,.4g} GB in {plan.requests:,} requests at most, "
            f"{plan.dollars:,.2f} US dollars where all of it leaves its region"
        )
