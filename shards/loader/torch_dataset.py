"""A Loader as a torch IterableDataset, for code that wants a DataLoader. Importing this module loads torch.

    StatefulDataLoader(TorchDataset(loader), batch_size=None, num_workers=0)

Promises: the batches of the loader, unchanged and in its order; the state of torchdata's StatefulDataLoader holds the
loader's own, so a resume is exact to the batch, also in the middle of a pass and on another world size (but for what
other ranks gave up for its time, which only their states have). Refuses DataLoader worker processes: the loader has
its threads inside, and each worker would repeat the whole order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch.utils.data import IterableDataset, get_worker_info

from shards.loader.loader import Loader
from shards.loader.stages.batch import Batch


class TorchDataset(IterableDataset[Batch]):
    """Give the DataLoader batch_size=None (elements are whole batches) and num_workers=0."""

    def __init__(self, loader: Loader) -> None:
        self.loader = loader

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        if worker is not None:
            raise ValueError(
                f"num_workers is {worker.num_workers}, must be 0: the loader reads and decodes in threads of its own "
                "(config: threads), and every worker process would repeat its whole order"
            )
        return iter(self.loader)

    def state_dict(self) -> dict[str, Any]:
        return self.loader.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.loader.load_state_dict(state)
