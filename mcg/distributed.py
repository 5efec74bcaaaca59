"""Communication between ranks, as losses and evaluation need it; with one rank every function returns at once.

Uses torch.distributed, which the engine has initialised; the device of a tensor decides the backend.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch import Tensor


class _Watching(Protocol):
    """What the ranks tell of themselves to (mcg/launch/watch.py)."""

    def doing(self, activity: str, detail: str = "", patience: float = 0.0) -> None: ...

    def await_verdict(self) -> None: ...

    def close(self, error: BaseException | None = None) -> None: ...


_watch: _Watching | None = None
_VALUES_AT_ONCE = 2**18
"""Of each rank, in gather_from_host."""


def watch_with(watch: _Watching) -> None:
    """Tell this one from now on, until `leave`."""
    global _watch
    _watch = watch


def doing(activity: str, detail: str = "", patience: float = 0.0) -> None:
    """Say what this rank does now, at the same places on all ranks: what the others tell of one that dies or hangs, and
    the time by which it is given up. detail: which one of its kind. patience: seconds that it may take in addition."""
    if _watch is not None:
        _watch.doing(activity, detail, patience)


def await_verdict() -> None:
    """After an error of communication: wait until it is known which rank is lost, which ends this process."""
    if _watch is not None:
        _watch.await_verdict()


def leave(error: BaseException | None = None) -> None:
    """Leave together with the other ranks; with an error at once, and they end too."""
    global _watch
    if _watch is not None:
        _watch.close(error)
        _watch = None


def rank() -> int:
    """This process's number, 0 where nothing is distributed."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """Number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def barrier() -> None:
    """Wait for every rank."""
    if world_size() > 1:
        dist.barrier()


def gather(local_Bx: Tensor) -> Tensor:
    """The ranks' tensors, concatenated in rank order, (G, ...), without gradient."""
    if world_size() == 1:
        return local_Bx
    whole = local_Bx.new_empty(world_size() * len(local_Bx), *local_Bx.shape[1:])
    dist.all_gather(list(whole.chunk(world_size())), local_Bx.contiguous())
    return whole


def gather_with_gradient(local_Bx: Tensor) -> Tensor:
    """The ranks' tensors, concatenated in rank order, (G, ...). Gradients flow back to every rank and are summed there,
    which makes the mean over ranks of the local losses' gradients the gradient of the mean loss, exactly."""
    if world_size() == 1:
        return local_Bx
    whole: Tensor = _Gather.apply(local_Bx)
    return whole


class _Gather(torch.autograd.Function):
    """gather; torch.distributed.nn, which has it too, is deprecated in torch 2.13 and says so at every call."""

    @staticmethod
    def forward(ctx: Any, local_Bx: Tensor) -> Tensor:
        return gather(local_Bx)

    @staticmethod
    def backward(ctx: Any, gradient_Gx: Tensor) -> Tensor:
        return sum_of_own(gradient_Gx)


def sum_of_own(whole_Gx: Tensor) -> Tensor:
    """This rank's part of the sum of the ranks' tensors (G, ...), as gather orders them."""
    parts = list(whole_Gx.contiguous().chunk(world_size()))
    own = torch.empty_like(parts[0])
    dist.reduce_scatter(own, parts)
    return own


def swap(rows_N: Tensor, sent: list[int], coming: list[int]) -> Tensor:
    """The rows that the ranks have for this one, in rank order. rows_N (N, ...): those for the others, in rank order;
    sent, coming: how many go to and come from each rank. No gradient passes."""
    if world_size() == 1:
        return rows_N
    swapped = rows_N.new_empty(sum(coming), *rows_N.shape[1:])
    dist.all_to_all_single(swapped, rows_N.contiguous(), coming, sent)
    return swapped


def gather_rows(local_Nx: Tensor) -> Tensor:
    """The ranks' tensors, which may have different numbers of rows, concatenated in rank order. No gradient passes."""
    if world_size() == 1:
        return local_Nx
    counts = gather(torch.tensor([len(local_Nx)], device=local_Nx.device)).tolist()
    padded = local_Nx.new_zeros(max(counts), *local_Nx.shape[1:])
    padded[: len(local_Nx)] = local_Nx
    parts = gather(padded).chunk(world_size()) if max(counts) else ()
    return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)]) if parts else padded


def gather_from_host(local_Nx: Tensor, device: torch.device) -> Tensor:
    """The ranks' tensors on the host, of which the first dimension may differ, concatenated there in rank order. They
    pass through the device in small blocks, so its memory does not depend on their size. No gradient passes."""
    if world_size() == 1:
        return local_Nx
    flat = local_Nx.reshape(-1)
    counts = gather(torch.tensor([len(flat)], device=device)).tolist()
    whole = flat.new_empty(sum(counts))
    places = [sum(counts[:number]) for number in range(len(counts))]
    for begin in range(0, max(counts), _VALUES_AT_ONCE):
        size = min(_VALUES_AT_ONCE, max(counts) - begin)
        block = torch.zeros(size, dtype=flat.dtype, device=device)
        own = flat[begin : begin + size]
        block[: len(own)] = own.to(device)
        for part, place, count in zip(gather(block).cpu().chunk(len(counts)), places, counts, strict=True):
            there = max(0, min(size, count - begin))
            whole[place + begin : place + begin + there] = part[:there]
    return whole.view(-1, *local_Nx.shape[1:])


def gather_objects(local: list[Any]) -> list[Any]:
    """The ranks' lists, concatenated in rank order, on every rank. Plain numbers and strings only."""
    if world_size() == 1:
        return local
    parts: list[list[Any]] = [[] for _ in range(world_size())]
    dist.all_gather_object(parts, local)
    return [item for part in parts for item in part]


def mean_over_ranks(values: Tensor) -> Tensor:
    """Mean of a tensor over the ranks."""
    if world_size() == 1:
        return values
    total = values.clone()
    dist.all_reduce(total)
    return total / world_size()


def largest(value: int, device: torch.device) -> int:
    """The largest of the ranks' whole numbers."""
    if world_size() == 1:
        return value
    shared = torch.tensor(value, device=device)
    dist.all_reduce(shared, op=dist.ReduceOp.MAX)
    return int(shared.item())


def any_rank(flag: bool, device: torch.device) -> bool:
    """True if the flag is set on any rank."""
    return bool(largest(int(flag), device))
