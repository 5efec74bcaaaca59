"""Sums over the ranks' keys: every rank sees the keys of every rank and adds to the sums that belong to them.

`gather` holds the keys of all ranks at once, 4 E bytes for each element of the global batch in fp32. `ring` passes them
from rank to rank, so that a rank holds those of two ranks, in as many turns as there are ranks; the next keys travel
while those at hand are worked on. Both give the same sums, but for rounding. With one rank nothing travels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
import torch.distributed as dist
from torch import Tensor

from mcg import distributed

Exchange = Literal["gather", "ring"]
Visit = Callable[[int, Sequence[Tensor], Tensor], None]
"""(rank, keys of that rank, sums (B, ...) of that rank): add to the sums, in place."""


def sum_over_ranks(
    exchange: Exchange, keys: Sequence[Tensor], start: Tensor, visit: Visit, logarithms: bool = False
) -> Tensor:
    """The sums (B, ...) of this rank's keys after every rank has visited them.

    keys: tensors (B, ...) of this rank, of one shape on all ranks; start: the sums before any visit, all 0, or with
    logarithms, whose sums are of their exponentials, -inf; without elements where nothing is to be summed. No gradient
    passes; `start` may be changed.
    """
    world = distributed.world_size()
    if world == 1:
        visit(0, keys, start)
        return start
    if exchange == "ring":
        return _around_the_ring(keys, start, visit)
    gathered = [distributed.gather(key).chunk(world) for key in keys]
    sums = torch.cat([start] * world)
    for owner, part in enumerate(sums.chunk(world)):
        visit(owner, [key[owner] for key in gathered], part)
    if not start.numel():
        return start
    return _log_sums(sums) if logarithms else distributed.sum_of_own(sums)


def _around_the_ring(keys: Sequence[Tensor], sums: Tensor, visit: Visit) -> Tensor:
    """Keys and their sums go from rank to rank; the sums are home after the last turn."""
    rank, world = distributed.rank(), distributed.world_size()
    keys = [key.contiguous() for key in keys]
    for turn in range(world):
        last = turn == world - 1
        coming = [] if last else [torch.empty_like(key) for key in keys]
        travels = [] if last else _pass_on(keys, coming)
        visit((rank - turn) % world, keys, sums)
        arrived = torch.empty_like(sums)
        if sums.numel():
            travels += _pass_on([sums], [arrived])
        for work in travels:
            work.wait()
        keys, sums = coming, arrived
    return sums


def _pass_on(sent: Sequence[Tensor], received: Sequence[Tensor]) -> list[dist.Work]:
    """Begin to send to the next rank, and to receive from the one before."""
    rank, world = distributed.rank(), distributed.world_size()
    sends = [dist.P2POp(dist.isend, tensor, (rank + 1) % world) for tensor in sent]
    receives = [dist.P2POp(dist.irecv, tensor, (rank - 1) % world) for tensor in received]
    works: list[dist.Work] = dist.batch_isend_irecv([*sends, *receives])
    return works


def _log_sums(sums_G: Tensor) -> Tensor:
    """log of the sum over ranks of exp."""
    most_G = sums_G.clone()
    dist.all_reduce(most_G, op=dist.ReduceOp.MAX)
    total_G = (sums_G - most_G).exp_()
    dist.all_reduce(total_G)
    return (total_G.log_() + most_G).chunk(distributed.world_size())[distributed.rank()]
