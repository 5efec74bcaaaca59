"""Batches of clips: what several threads bring at the same time runs through one pipeline together.

Only inside one run does DALI decode clips side by side, in the threads of its video operator (DALI issue 6387). So the
thread that finds nobody at work runs what waits, at most `most` clips; those that come meanwhile wait for the next run,
which one of them leads. Nobody waits for a batch to be full.
Promises: of a batch that fails each clip is run again by itself, so a bad one costs nobody else a clip; the frames of a
clip are the same in any company.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

from shards.decode.dali.pipeline import ClipPipeline, Inputs
from shards.decode.decoder import Unsuitable


class Batches:
    """The pipeline for one kind of medium. May be used by any number of threads."""

    def __init__(self, kind: str, device: int | None, most: int, num_threads: int) -> None:
        """kind, device, num_threads: see ClipPipeline. most: clips of a run."""
        self._make = lambda: ClipPipeline(kind, device, most, num_threads)
        self._most = most
        self._pipeline: ClipPipeline | None = None
        self._lock = threading.Lock()
        self._waiting: deque[_Brought] = deque()
        self._is_led = False
        """True while some thread runs the pipeline, or has been told to."""

    def run(self, clips: Sequence[Inputs]) -> list[Any]:
        """Run clips; returns DALI's tensor of each. Raises Unsuitable for the first one that DALI refuses."""
        brought = [_Brought(clips[start : start + self._most]) for start in range(0, len(clips), self._most)]
        with self._lock:
            self._waiting.extend(brought)
            if not self._is_led:
                self._is_led = True
                self._waiting[0].lead()
        for mine in brought:  # all of them, because it may have to lead the run of the last one
            while not mine.wait():
                self._lead()
        outputs = [output for mine in brought for output in mine.outputs]
        for output in outputs:
            if isinstance(output, BaseException):
                raise output
        return outputs

    def _lead(self) -> None:
        """Run what waits, as much as one run takes, and have somebody else lead the next run."""
        with self._lock:
            batch = [self._waiting.popleft()]
            count = len(batch[0].clips)
            while self._waiting and count + len(self._waiting[0].clips) <= self._most:
                batch.append(self._waiting.popleft())
                count += len(batch[-1].clips)
        try:
            found = self._run([clip for brought in batch for clip in brought.clips])
        except BaseException as error:  # for each of the threads that wait, this one among them
            found = [error] * count
        with self._lock:
            self._is_led = bool(self._waiting)
            if self._waiting:
                self._waiting[0].lead()
        start = 0
        for brought in batch:
            brought.done(found[start : start + len(brought.clips)])
            start += len(brought.clips)

    def _run(self, clips: Sequence[Inputs]) -> list[Any]:
        """The outputs of these clips, or why there is none."""
        try:
            return self._run_together(clips)
        except Unsuitable as unsuitable:
            if len(clips) == 1:
                return [unsuitable]
            return [self._run([clip])[0] for clip in clips]

    def _run_together(self, clips: Sequence[Inputs]) -> list[Any]:
        if self._pipeline is None:
            self._pipeline = self._make()
        try:
            return self._pipeline.run(clips)
        except Unsuitable:
            if not self._pipeline.still_works():
                self._pipeline = None
            raise


class _Brought:
    """The clips that a thread brought, for one run."""

    def __init__(self, clips: Sequence[Inputs]) -> None:
        self.clips = clips
        self.outputs: Sequence[Any] = ()
        self._told = threading.Event()
        self._is_done = False

    def lead(self) -> None:
        """Tell the thread to lead a run."""
        self._told.set()

    def done(self, outputs: Sequence[Any]) -> None:
        self.outputs, self._is_done = outputs, True
        self._told.set()

    def wait(self) -> bool:
        """Wait until there is something to do: True: the outputs are here, False: to lead a run."""
        self._told.wait()
        if not self._is_done:
            self._told.clear()
        return self._is_done
