"""Copies of finished checkpoints in another place, a store or a disk: what a machine that is lost leaves behind.

TO/step-000600/ gets the files of RUN/checkpoints/step-000600, its checkpoint.json last, and then TO/latest names it; so
a copy that is cut off by anything is absent. A thread copies while training goes on, the newest checkpoint if several
wait; the folder that it reads is kept so long. A run whose folder has no checkpoint fetches the latest whole one of
these. What cannot be written when a run begins is refused; later it is told, and the next checkpoint tries again.
Gives up: the best checkpoint is not copied, so a run on a new machine has no best one until it is scored again.
"""

from __future__ import annotations

import os
import posixpath
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mcg import distributed
from mcg.engine.checkpoint import CheckpointError, find_checkpoint, read_pointer, step_of
from mcg.engine.saving import point_at, remove
from mcg.engine.store.integrity import problem_with, read_line, seal_line
from shards.base import logger, scrub, shown
from shards.storage import is_remote, open_filesystem

_logger = logger(__name__)
_PATIENCE_SECONDS = 6 * 3600.0
"""With a copy that all ranks wait for."""
_DESCRIPTION, _POINTER, _PROBE = "checkpoint.json", "latest", "writable"


class Copies:
    """The copies of one run, made by rank 0."""

    def __init__(self, to: str, keep: int, keep_every_steps: int | None = None) -> None:
        """Raises CheckpointError for a place that cannot be written."""
        self._to, self._keep, self._keep_every = to, keep, keep_every_steps
        with _naming(to, to):
            self._files, self._prefix = open_filesystem(to)
            self._write(_PROBE, b"")
            self._files.rm_file(self._at(_PROBE))
        self._changed = threading.Condition()
        self._waiting: Path | None = None
        self._copied: Path | None = None
        self._problem: str | None = None
        self._thread: threading.Thread | None = None

    def push(self, folder: Path) -> None:
        """Copy a finished checkpoint, in the background; one that still waits is left out for it."""
        with self._changed:
            self._waiting = folder
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="copies", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def reads(self, folder: Path) -> bool:
        """True while a folder is being copied, or waits for it."""
        with self._changed:
            return folder in (self._waiting, self._copied)

    def push_latest(self, root: Path) -> None:
        """Copy what RUN/checkpoints/latest names, unless it is there already. Raises CheckpointError."""
        name = read_pointer(root / _POINTER)
        with _naming(f"{self._to}/{_POINTER}", self._to):
            named = self._named()
        if name is not None and name != named and (root / name).is_dir():
            self.push(root / name)

    def wait(self, seconds: float | None = None) -> str | None:
        """Wait until nothing is left to copy; returns what went wrong with the last one, in words."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._waiting is None and self._copied is None, seconds):
                return f"{shown(self._to)}: the last checkpoint is not copied yet"
            return self._problem

    def fetch_latest(self, root: Path) -> str | None:
        """Make the latest whole copy that of RUN/checkpoints; returns its name, None where there is none. Raises
        CheckpointError where none of those that are there is whole."""
        with _naming(self._to, self._to):
            named = self._named()
            steps = [name for _, name in self._steps()][::-1] if named is not None else []
        problem = None
        for name in dict.fromkeys([named, *steps] if named is not None else []):
            aside = root / f".{name}"
            try:
                with _naming(f"{self._to}/{name}", self._to):
                    self._fetch(name, aside)
            except CheckpointError as error:
                problem = problem or str(error)
                shutil.rmtree(aside, ignore_errors=True)
                continue
            if problem is not None:
                _logger.warning("%s; %s is taken instead", problem, name)
            self._take(root, name, aside)
            return name
        if problem is not None:
            raise CheckpointError(problem)
        return None

    def _fetch(self, name: str, aside: Path) -> None:
        """Fetch a copy into a folder, and look at the checksums of all of it."""
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        self._files.get_file(self._at(name, _DESCRIPTION), str(aside / _DESCRIPTION))
        files = find_checkpoint(aside).files
        if files is None:
            raise CheckpointError(f"{shown(self._to)}/{name}: is of an older version, whose copies cannot be checked")
        for file in files:
            (aside / file).parent.mkdir(parents=True, exist_ok=True)
            self._files.get_file(self._at(name, file), str(aside / file))
        problem = problem_with(aside, files, files)
        if problem is not None:
            raise CheckpointError(f"{shown(self._to)}/{name}: {problem}")

    def _take(self, root: Path, name: str, aside: Path) -> None:
        def rename() -> None:
            if (root / name).exists():
                remove(root / name)
            os.replace(aside, root / name)

        point_at(root, _POINTER, name, rename)

    # ---- the thread

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting is not None)
                folder, self._waiting = self._waiting, None
                self._copied = folder
            assert folder is not None
            try:
                with _naming(f"{self._to}/{folder.name}", self._to):
                    self._copy(folder)
                problem = None
            except CheckpointError as error:
                problem = str(error)
                _logger.warning("%s", problem)
            with self._changed:
                self._copied, self._problem = None, problem
                self._changed.notify_all()

    def _copy(self, folder: Path) -> None:
        names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
        names.remove(_DESCRIPTION)
        with suppress(FileNotFoundError):  # of a run that went back: absent while its files change
            self._files.rm_file(self._at(folder.name, _DESCRIPTION))
        for name in (*names, _DESCRIPTION):
            if not is_remote(self._to):
                self._files.makedirs(posixpath.dirname(self._at(folder.name, name)), exist_ok=True)
            self._files.put_file(str(folder / name), self._at(folder.name, name))
        self._write(_POINTER, seal_line(folder.name).encode())
        self._make_room(step_of(folder.name, "step") or 0)

    def _make_room(self, step: int) -> None:
        for number, name in [pair for pair in self._steps() if pair[0] <= step][: -self._keep]:
            if self._keep_every is None or number % self._keep_every:
                with suppress(FileNotFoundError):
                    self._files.rm_file(self._at(name, _DESCRIPTION))
                self._files.rm(self._at(name), recursive=True)

    def _steps(self) -> list[tuple[int, str]]:
        """Steps and names of the folders there, oldest first."""
        self._files.invalidate_cache()
        found = [posixpath.basename(path.rstrip("/")) for path in self._files.ls(self._prefix, detail=False)]
        return sorted((number, name) for name in found if (number := step_of(name, "step")) is not None)

    def _named(self) -> str | None:
        """The folder that TO/latest names."""
        try:
            name = read_line(self._files.cat_file(self._at(_POINTER))[:1024])
        except FileNotFoundError:
            return None
        return name if name is not None and step_of(name, "step") is not None else None

    def _write(self, name: str, data: bytes) -> None:
        if not is_remote(self._to):
            self._files.makedirs(self._prefix, exist_ok=True)
        self._files.pipe_file(self._at(name), data)

    def _at(self, *names: str) -> str:
        return posixpath.join(self._prefix, *names)


def open_copies(to: str | None, run_dir: Path, keep: int, keep_every_steps: int | None) -> Copies | None:
    """On rank 0 the copies of a run, where it has any. A run folder without a checkpoint gets their latest one, and
    what the last run could not copy is copied. Raises CheckpointError on all ranks."""
    if to is None:
        return None
    distributed.doing("fetching", "a checkpoint from checkpoint.to", _PATIENCE_SECONDS)
    copies, problem, root = None, None, run_dir / "checkpoints"
    if distributed.rank() == 0:
        try:
            copies = Copies(to, keep, keep_every_steps)
            if (root / _POINTER).is_file():
                copies.push_latest(root)
            elif (name := copies.fetch_latest(root)) is not None:
                _logger.warning("%s has no checkpoint; %s is fetched from %s", run_dir, name, shown(to))
        except CheckpointError as error:
            problem = str(error)
    problems = distributed.gather_objects([problem] if problem is not None else [])
    if problems:
        raise CheckpointError(problems[0])
    return copies


def wait_for_copies(copies: Copies | None) -> None:
    """Wait on all ranks until the last checkpoint is copied. Raises CheckpointError on all of them if it is not."""
    distributed.doing("copying", "the last checkpoint to checkpoint.to", _PATIENCE_SECONDS)
    problem = copies.wait() if copies is not None else None
    problems = distributed.gather_objects([problem] if problem is not None else [])
    if problems:
        raise CheckpointError(f"{problems[0]}; it is whole in the run's folder, and the same command copies it")


@contextmanager
def _naming(place: str, to: str) -> Iterator[None]:
    """Turn the errors of a disk or of a store's client into one with the place and the remedy."""
    try:
        yield
    except CheckpointError:
        raise
    except Exception as error:  # client libraries have kinds of their own
        reason = scrub(str(error) or type(error).__name__, to)
        remedy = "check the address and the credentials" if is_remote(to) else "make room, or name another place"
        raise CheckpointError(f"checkpoint.to: {shown(place)}: {reason}; {remedy}") from error
