"""What `index` says before it starts, about its cost, and while it runs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from shards.base.printing import say
from shards.cli.progress import Progress
from shards.cli.units import human_bytes

if TYPE_CHECKING:
    from shards.dataset.indexing.cost import Cost, Step
    from shards.dataset.tars.looks import Looks


class IndexProgress:
    """Says the cost of a run first, its rate once it is known, and then how far it is."""

    def __init__(self, progress: Progress, looks: Looks, jobs: int, quiet: bool) -> None:
        """quiet: nothing but progress is said."""
        self._progress, self._looks, self._jobs, self._quiet = progress, looks, jobs, quiet
        self._num_left_out = 0

    def on_start(self, cost: Cost) -> None:
        """Say what the run will read."""
        self._progress.update(0, cost.bytes if self._looks.checksums else cost.tars)
        if cost.again:
            self._say(f"{cost.again}: its tars are read again")
        if not cost.tars:
            self._say(f"to read: nothing, all {cost.known:,} tars are known")
            return
        size = human_bytes(cost.bytes)
        what = size if self._looks.checksums else f"the headers in {size}"
        parts = [f"to read: {what} of {cost.tars:,} tars"]
        parts += [f"{cost.requests:,} requests"] if cost.requests else []
        parts += [f"{cost.known:,} tars are known"] if cost.known else []
        self._say(", ".join(parts))

    def on_tar(self, step: Step) -> None:
        """Take in that one more tar is done; say the rate when every process has had one."""
        done = step.bytes if self._looks.checksums else step.tars
        self._num_left_out += bool(step.problem)
        left_out = {"tars left out": self._num_left_out} if self._num_left_out else {}
        self._progress.update(done, quarantined=step.quarantined | left_out)
        if step.tars == self._jobs < step.of_tars and not sys.stderr.isatty():  # a terminal has the bar
            self._say(self._progress.line)

    def _say(self, text: str) -> None:
        if not self._quiet:
            say(text, sys.stderr)
