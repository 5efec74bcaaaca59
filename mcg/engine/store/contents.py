"""What a checkpoint will hold, as tensors by file, and a copy of it in host memory, to be written in the background."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from mcg.engine.store.integrity import FileFacts
from mcg.engine.store.tensor_file import write_tensors


@dataclass(frozen=True)
class Content:
    """One file of tensors to be written."""

    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str] = field(default_factory=dict)


Contents = dict[str, Content]
"""By path below the checkpoint's folder."""


def write_contents(folder: Path, contents: Contents) -> dict[str, FileFacts]:
    """Write the files below a folder. Raises OSError."""
    written = {}
    for name, content in contents.items():
        (folder / name).parent.mkdir(exist_ok=True)
        written[name] = write_tensors(folder / name, content.tensors, content.metadata)
    return written


class Moment:
    """When a copy may begin on a GPU: after all that was asked of it so far."""

    def __init__(self, contents: Contents) -> None:
        device = next((t.device for c in contents.values() for t in c.tensors.values() if t.is_cuda), None)
        self.stream = None if device is None else torch.cuda.Stream(device)
        self.event = None if device is None else torch.cuda.current_stream(device).record_event()


class HostCopy:
    """Room in host memory for a copy of contents. It is kept from one copy to the next: fresh memory costs more than
    filling it."""

    def __init__(self) -> None:
        self._room: dict[tuple[str, str], Tensor] = {}

    def take(self, contents: Contents, now: Moment) -> Contents:
        """Copy tensors; what the copy before held is overwritten. now: made when the tensors were as wanted."""
        if now.stream is None or now.event is None:
            return self._take(contents)
        with torch.cuda.stream(now.stream):
            now.stream.wait_event(now.event)
            copied = self._take(contents)
            now.stream.synchronize()
        return copied

    def _take(self, contents: Contents) -> Contents:
        copied: Contents = {}
        copies: dict[tuple[int, int, torch.dtype], Tensor] = {}  # without ZeRO, weights and state are the same numbers
        for file, content in contents.items():
            tensors = {}
            for name, tensor in content.tensors.items():
                same = tensor.data_ptr(), tensor.numel(), tensor.dtype
                if tensor.is_contiguous() and same in copies:
                    tensors[name] = copies[same].view(tensor.shape)
                    continue
                room = self._room.get((file, name))
                if room is None or room.shape != tensor.shape or room.dtype != tensor.dtype:
                    room = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=tensor.is_cuda)
                    self._room[file, name] = room
                tensors[name] = room.copy_(tensor.detach(), non_blocking=True)
                if tensor.is_contiguous():
                    copies[same] = tensors[name]
            copied[file] = Content(tensors, content.metadata)
        return copied
