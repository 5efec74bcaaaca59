"""Writing of checkpoints, each whole or absent.

A checkpoint is written aside, pushed to the disk, and renamed when every rank is done; RUN/checkpoints/latest names it
last. Killing a run at any moment, or a disk that fills up, leaves the previous checkpoint in charge. In the background
the same is done by a thread, from a copy of all tensors, while training goes on.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from mcg import distributed
from mcg.engine.checkpoint import FORMAT, CheckpointError, read_pointer, saved_steps
from mcg.engine.store.background import Background
from mcg.engine.store.contents import Content, Contents, write_contents
from mcg.engine.store.gathering import collect, report
from mcg.engine.store.integrity import FileFacts, keep_folder, seal, seal_line, to_json, write_text
from shards.base import logger

_logger = logger(__name__)
_Made = TypeVar("_Made")


class _Copying(Protocol):
    """Copies finished checkpoints elsewhere (store/copies.py)."""

    def push(self, folder: Path) -> None: ...

    def reads(self, folder: Path) -> bool: ...


def save_checkpoint(
    run_dir: str | Path,
    engine: Any,
    cursor: dict[str, Any],
    config: dict[str, Any],
    keep: int,
    vocabulary: str | None = None,
    *,
    keep_every_steps: int | None = None,
    background: Background | None = None,
    copies: _Copying | None = None,
) -> Path:
    """Save on all ranks together; returns the finished folder. Older ones beyond `keep` are removed afterwards, but for
    those of every so many steps.

    background: where the files are written; the folder is then finished later, and the save before is waited for first.
    copies: gets the finished folder, on the first rank; a folder that it still reads is kept until the next save.
    Raises CheckpointError on every rank if any cannot write, or could not in the background; what was written is then
    removed.
    """
    facts = {"cursor": cursor, "config": config, "vocabulary": vocabulary}
    step = engine.step

    def make_room(root: Path) -> None:
        for number, old in _older(root, step)[:-keep]:
            if (keep_every_steps is None or number % keep_every_steps) and not (copies and copies.reads(old)):
                remove(old)

    def made(final: Path) -> None:
        if copies is not None:
            copies.push(final)
        make_room(final.parent)

    return _save(_Place(Path(run_dir) / "checkpoints", "step", step, "latest"), engine, facts, made, background)


def save_best(
    run_dir: str | Path,
    engine: Any,
    cursor: dict[str, Any],
    config: dict[str, Any],
    scored: tuple[str, float],
    vocabulary: str | None = None,
) -> Path:
    """Save the weights alone as the best so far, on all ranks together; the one before is removed afterwards."""
    facts = {"cursor": cursor, "config": config, "vocabulary": vocabulary, "scored": list(scored)}

    def made(final: Path) -> None:
        for old in final.parent.glob("best-*"):
            if old != final:
                remove(old)

    return _save(_Place(Path(run_dir) / "checkpoints", "best", engine.step, "best"), engine, facts, made, None)


def wait_for_save(run_dir: str | Path, background: Background) -> None:
    """Wait on all ranks for the save that is under way. Raises CheckpointError on all of them if it failed on any."""
    problem = background.wait()
    problems = distributed.gather_objects([problem] if problem is not None else [])
    if problems:
        raise _not_saved(Path(run_dir) / "checkpoints", "the one before this", problems[0])


def describe(folder: Path, facts: dict[str, Any], files: dict[str, FileFacts]) -> None:
    """Write checkpoint.json of a folder that holds these files."""
    whole = {"format": FORMAT, **facts, "torch": torch.__version__, "files": to_json(files)}
    # through JSON and back, so that the checksum is over what a reader finds
    write_text(folder / "checkpoint.json", json.dumps(seal(json.loads(json.dumps(whole))), indent=1) + "\n")


def point_at(root: Path, pointer_name: str, name: str, then: Callable[[], None] = lambda: None) -> None:
    """Make ROOT/latest or ROOT/best name a folder, whole or not at all. then: called when nothing can fail any more for
    lack of room, just before."""
    pointer = root / f".{pointer_name}"
    try:
        write_text(pointer, seal_line(name))
        then()
        keep_folder(root)
        os.replace(pointer, root / pointer_name)
        keep_folder(root)
    finally:
        pointer.unlink(missing_ok=True)


def remove(folder: Path) -> None:
    """Remove a checkpoint folder: absent at once, whatever ends the process. What cannot be removed is left aside."""
    aside = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(aside, ignore_errors=True)
    os.replace(folder, aside)
    shutil.rmtree(aside, ignore_errors=True)


def untied(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights without the second names of tied ones, which loading ties again."""
    return dict({t.data_ptr(): (n, t) for n, t in reversed(list(weights.items()))}.values())


@dataclass(frozen=True)
class _Place:
    """Where a checkpoint is written, and which pointer names it then."""

    root: Path
    kind: str
    step: int
    pointer: str

    @property
    def plain(self) -> str:
        return f"{self.kind}-{self.step:06d}"

    @property
    def aside(self) -> Path:
        return self.root / f".{self.plain}"


def _save(
    place: _Place,
    engine: Any,
    facts: dict[str, Any],
    made: Callable[[Path], None],
    background: Background | None,
) -> Path:
    """Write a folder KIND-STEP aside, rename it when every rank is done, and point at it."""
    root, aside, first = place.root, place.aside, distributed.rank() == 0
    if background is not None:
        wait_for_save(root.parent, background)
    weights = engine.model_state()  # before anything is written: under ZeRO 3 all ranks take part
    contents = dict(engine.state()) if place.kind == "step" else {}
    if first:
        contents["model.safetensors"] = Content(untied(weights))
    world = distributed.world_size()
    # as they are now: the cursor may move on before this is written
    described = json.loads(json.dumps({"step": place.step, **facts, "world_size": world}))

    def begin() -> str:
        root.mkdir(parents=True, exist_ok=True)
        for leftover in root.glob(f".{place.kind}-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        aside.mkdir()
        return _free_name(root, place.plain, place.pointer)

    def finish(files: dict[str, FileFacts]) -> Path:
        describe(aside, described, files)
        for folder in (*(path for path in aside.rglob("*") if path.is_dir()), aside):
            keep_folder(folder)
        final = root / name

        def rename() -> None:
            if final.exists():  # of a run that went back; nothing points at it
                remove(final)
            os.replace(aside, final)

        point_at(root, place.pointer, name, rename)
        made(final)
        return final

    def work(take: Callable[[], Contents]) -> str | None:
        return _write_alone(aside, take, distributed.rank(), world, finish)

    (name,) = _together(place, lambda: [begin()] if first else [])
    if background is not None:
        background.start(contents, work)
        return root / name
    files = _together(place, lambda: list(write_contents(aside, contents).items()))
    _together(place, lambda: [finish(dict(files))] if first else [])
    return root / name


def _write_alone(
    aside: Path, take: Callable[[], Contents], rank: int, world: int, finish: Callable[[dict[str, FileFacts]], Path]
) -> str | None:
    """Write without the ranks' communication, and on the first rank finish when all have written; returns what went
    wrong, in words."""
    files: dict[str, FileFacts] = {}
    problems: list[str] = []
    try:
        files = write_contents(aside, take())
    except OSError as error:
        problems.append(_why(error))
    except (MemoryError, RuntimeError) as error:  # torch says RuntimeError where it gets no memory
        problems.append(f"no copy in memory: {error}"[:300])
    try:
        if rank > 0:
            report(aside, rank, files, problems[0] if problems else None)
            return problems[0] if problems else None
        more, others = collect(aside, world)
        problems += others
        if not problems:
            finish(files | more)
    except OSError as error:
        problems.append(_why(error))
    if problems:
        shutil.rmtree(aside, ignore_errors=True)
        _logger.error("%s: %s was not saved: %s", aside.parent, aside.name.removeprefix("."), problems[0])
    return problems[0] if problems else None


def _together(place: _Place, work: Callable[[], list[_Made]]) -> list[_Made]:
    """What the ranks' work returns, in rank order. If it fails on any of them, what was written is removed, and every
    rank raises CheckpointError."""
    made: list[_Made] = []
    problem = None
    try:
        made = work()
    except OSError as error:
        problem = _why(error)
    problems = distributed.gather_objects([problem] if problem is not None else [])
    if not problems:
        return distributed.gather_objects(made)
    if distributed.rank() == 0:
        shutil.rmtree(place.aside, ignore_errors=True)
    distributed.barrier()
    raise _not_saved(place.root, place.plain, problems[0])


def _not_saved(root: Path, what: str, problem: str) -> CheckpointError:
    latest = read_pointer(root / "latest")
    kept = "there is none before it" if latest is None else f"and the same command goes on from {latest}"
    return CheckpointError(
        f"{root}: {what} was not saved: {problem}; make room or set another run_dir; what was written of it is "
        f"removed, {kept}"
    )


def _why(error: OSError) -> str:
    at = "" if error.filename is None else f" ({error.filename})"
    return f"{error.strerror or error}{at}"


def _free_name(root: Path, plain: str, pointer_name: str) -> str:
    """The name of the new folder: its number, and one more if the pointer names the folder of that number."""
    if read_pointer(root / pointer_name) != plain:
        return plain
    return next(name for name in (f"{plain}.{n}" for n in range(1, 1000)) if not (root / name).exists())


def _older(root: Path, step: int) -> list[tuple[int, Path]]:
    """Steps and folders of checkpoints up to a step, oldest first. Later ones are left by a user who went back, and are
    kept."""
    return [(number, root / name) for number, name in saved_steps(root) if number <= step]
