"""What would lie on a device, measured where there is none.

A model runs on the CPU as device `DEVICE`; tensors that were moved there, made there, or computed from such, are on it.

`.to(DEVICE)`, `.cpu()` and `.to("cpu")`, which do nothing on a CPU, copy here, as with a GPU.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

DEVICE = torch.device("cpu", 0)
"""Equal to the CPU for torch, and told apart from `torch.device("cpu")` here by its number."""
_HOST = torch.device("cpu")


class DeviceBytes:
    """Counts the bytes on the device inside of `with`. `peak` is the most at one time, without the weights."""

    def __init__(self, weights: Iterable[Tensor]) -> None:
        self.peak = 0
        self._live, self._on_device = 0, {tensor.untyped_storage().data_ptr() for tensor in weights}
        self._moving: bool | None = None
        """True while a tensor is moved to or made on the device, False while it is moved to the host."""
        self._moves, self._made = _Moves(self), _Made(self)

    def __enter__(self) -> DeviceBytes:
        self._moves.__enter__()
        self._made.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._made.__exit__(*error)
        self._moves.__exit__(*error)

    def moving(self, to_device: bool, action: Callable[[], Any]) -> Any:
        self._moving = to_device
        try:
            return action()
        finally:
            self._moving = None

    def has(self, tensor: Tensor) -> bool:
        return tensor.untyped_storage().data_ptr() in self._on_device

    def made(self, tensors: list[Tensor], by: list[Tensor]) -> None:
        """Note results of an operation and what they were made of."""
        if self._moving is False or not (self._moving or any(self.has(tensor) for tensor in by)):
            return
        for tensor in tensors:
            storage = tensor.untyped_storage()
            place, size = storage.data_ptr(), storage.nbytes()
            if size and place not in self._on_device and not any(tensor is one for one in by):
                self._on_device.add(place)
                self._live += size
                self.peak = max(self.peak, self._live)
                weakref.finalize(storage, self._freed, place, size)

    def _freed(self, place: int, size: int) -> None:
        self._on_device.discard(place)
        self._live -= size


class _Moves(TorchFunctionMode):
    """Sees the devices that are asked for, before torch makes nothing of them."""

    def __init__(self, counted: DeviceBytes) -> None:
        super().__init__()
        self._counted = counted

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        asked = [value for value in (*args[1:], *kwargs.values()) if isinstance(value, torch.device)]
        if func is Tensor.cpu:
            asked = [_HOST]
        if not asked:
            return func(*args, **kwargs)
        to_device = asked[0].index == DEVICE.index
        if func in (Tensor.to, Tensor.cpu):
            moved = func(*args, **kwargs)
            if self._counted.has(args[0]) == to_device:
                return moved
            return self._counted.moving(to_device, moved.clone)
        return self._counted.moving(to_device, lambda: func(*args, **kwargs))


class _Made(TorchDispatchMode):
    """Sees every operation."""

    def __init__(self, counted: DeviceBytes) -> None:
        super().__init__()
        self._counted = counted

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        made = [leaf for leaf in tree_leaves(found) if isinstance(leaf, Tensor)]
        self._counted.made(made, [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)])
        return found
