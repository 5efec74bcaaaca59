"""What a rank computes and holds for a micro-batch, found by doing it here for a few samples.

The model of the config is built and trained on made-up samples with texts as long as the config lets them be: a forward
and a backward pass each of two and of four samples. Operations are counted (mcg/engine/flops.py); memory is what
torch's allocator has given out at most, a straight line in the number of samples. What a CPU does holds for a GPU,
whose attention too keeps no matrix; 16-bit runs are tried in bf16.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from mcg.config import RunConfig
from mcg.engine.flops import BACKWARD, forward_flops
from mcg.engine.optim import build_optimizer
from mcg.engine.tensors import to_tensors
from mcg.objectives.bundle import Bundle
from mcg.tasks.task import Task
from mcg.text import open_texts
from shards import Batch, Origin, Sample
from shards.media import MediaFacts
from shards.order import rng

_SIZES = (2, 4)
"""Samples of a trial: two points of a line, more than one for losses over pairs."""


@dataclass(frozen=True)
class Line:
    """A number that grows with the samples of a micro-batch."""

    fixed: float
    each: float

    def at(self, samples: int) -> float:
        return self.fixed + self.each * samples


@dataclass(frozen=True)
class Trial:
    """What was found."""

    trained: int
    """Parameters that are trained."""
    frozen: int
    flops: float
    """Operations of the forward and backward passes of a sample."""
    activations: Line
    """Bytes that they hold at their peak, gradients of the weights not counted."""
    sample_bytes: int
    """Of one sample as the loader hands it over."""
    update_seconds: float
    """Of the optimiser on this machine, all parameters."""


def try_out(config: RunConfig, bundle: Bundle, task: Task) -> Trial:
    """Train what `build` gives on two sizes of micro-batches; its weights have gradients afterwards."""
    parameters = list(bundle.parameters())
    optimizer = build_optimizer(bundle, config.optim)
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter) if parameter.requires_grad else None
    batches = [made_up(task, size) for size in _SIZES]
    inputs = [to_tensors(batch, torch.device("cpu")) for batch in batches]
    flops = (1 + BACKWARD) * forward_flops(partial(bundle, inputs[0], 0)) / _SIZES[0]
    held = [float(_peak(partial(passes, bundle, given))) for given in inputs]
    started = time.perf_counter()
    optimizer.step()
    optimizer.step()
    return Trial(
        sum(p.numel() for p in parameters if p.requires_grad),
        sum(p.numel() for p in parameters if not p.requires_grad),
        flops,
        _line(held),
        sum(np.asarray(array).nbytes for array in (batches[0].frames, *batches[0].arrays.values())) // _SIZES[0],
        (time.perf_counter() - started) / 2,
    )


def build(config: RunConfig) -> tuple[Bundle, Task]:
    """Model with objectives, as the engine trains them, on the CPU; and the task."""
    texts = open_texts(config.model)
    task = config.task.build(texts)
    model = task.completed(config.model).build(texts)
    model.checkpoint_activations(config.engine.activation_checkpointing)
    bundle = Bundle(model, config.objectives.build())
    return bundle.to(torch.float32 if config.engine.precision == "fp32" else torch.bfloat16).train(), task


def passes(bundle: Bundle, inputs: Mapping[str, Tensor]) -> None:
    """Forward and backward."""
    bundle(inputs, 0)["total"].backward()


def made_up(task: Task, size: int) -> Batch:
    """A batch of grey clips with texts as long as the task takes."""
    origin = Origin("made-up", "none", "0")
    facts = MediaFacts("video", "h264", 640, 360, 600, 30.0, 20.0)
    sample = Sample(origin, b"", facts, task.made_up_record(), 0, {})
    encoded = task.encode(sample, lambda purpose: rng(0, "made-up", 0, "none", "0", 0, 0, purpose))
    clip = task.config.clip
    frames = np.full((size, clip.num_frames, clip.size, clip.size, 3), 127, np.uint8)
    arrays = {name: np.stack([array] * size) for name, array in encoded.arrays.items()}
    return Batch(frames, arrays, [{}] * size, [origin] * size, np.ones(size, bool), "made-up", [])


def _peak(action: Callable[[], Any]) -> int:
    """Bytes that torch's allocator has given out more than before, at the worst moment of an action."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # it says as an error that there is no GPU
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
        action()
    held = most = 0
    events = found.profiler.kineto_results.events()
    for event in sorted((one for one in events if one.name() == "[memory]"), key=lambda one: one.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return most


def _line(values: list[float]) -> Line:
    (a, b), (x, y) = _SIZES, values
    each = max(0.0, (y - x) / (b - a))
    return Line(max(0.0, x - each * a), each)
