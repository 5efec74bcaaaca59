"""Streaming of tar shards: deterministic order, elastic resume, decoded batches; no model, no task, no torch.

`import shards` loads nothing heavy: every public name comes from its module when it is first used. The way of a clip is
source -> reader -> Sample -> (the task's encode) -> EncodedClip -> decode -> collate -> Batch; `Loader` drives it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shards.clip import ClipConfig, ClipPlan, EncodedClip, plan_clip
    from shards.collate import Batch
    from shards.config import CacheConfig, DatasetConfig, LoaderConfig
    from shards.cursor import CursorMismatch
    from shards.loader import Loader
    from shards.media import MediaError
    from shards.quarantine import Failure, TooManyFailures
    from shards.sample import MediaFacts, Origin, Sample, SampleError
    from shards.torch_dataset import TorchDataset
    from shards.writer import DatasetWriter

_MODULES = {
    "Batch": "collate",
    "CacheConfig": "config",
    "ClipConfig": "clip",
    "ClipPlan": "clip",
    "CursorMismatch": "cursor",
    "DatasetConfig": "config",
    "DatasetWriter": "writer",
    "EncodedClip": "clip",
    "Failure": "quarantine",
    "Loader": "loader",
    "LoaderConfig": "config",
    "MediaError": "media",
    "MediaFacts": "sample",
    "Origin": "sample",
    "Sample": "sample",
    "SampleError": "sample",
    "TooManyFailures": "quarantine",
    "TorchDataset": "torch_dataset",
    "plan_clip": "clip",
}

__all__ = [
    "Batch",
    "CacheConfig",
    "ClipConfig",
    "ClipPlan",
    "CursorMismatch",
    "DatasetConfig",
    "DatasetWriter",
    "EncodedClip",
    "Failure",
    "Loader",
    "LoaderConfig",
    "MediaError",
    "MediaFacts",
    "Origin",
    "Sample",
    "SampleError",
    "TooManyFailures",
    "TorchDataset",
    "plan_clip",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'shards' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"shards.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
