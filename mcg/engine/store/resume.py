"""The checkpoint that a run goes on from: its latest one, or where that is damaged the one before it, or another run's.

All ranks decide together; each reads its share of the files. A checkpoint that was named by its path is never replaced
by another one: that is for a run that is started again by nobody, at night.
"""

from __future__ import annotations

import sys
from pathlib import Path

from mcg import distributed
from mcg.engine.checkpoint import (
    Checkpoint,
    CheckpointError,
    find_checkpoint,
    read_pointer,
    saved_steps,
    step_of,
)
from mcg.engine.store.integrity import foreign_file, problem_with
from shards.base import say


def resume_point(run_dir: str | Path, continue_from: str | Path | None = None) -> Checkpoint | None:
    """The newest whole checkpoint up to the one that RUN/checkpoints/latest names; for a run that has none yet the one
    at `continue_from`; None without either.

    What is not whole is said on stderr. Raises CheckpointError if none is, or if that of `continue_from` is not.
    """
    root = Path(run_dir) / "checkpoints"
    first = distributed.rank() == 0
    names, why = distributed.gather_objects([_candidates(root)] if first else [])[0]
    if names is None:
        return None if continue_from is None else _whole(find_checkpoint(continue_from))
    for name in names:
        found, problem = _try(root / name)
        problems = distributed.gather_objects([problem] if problem is not None else [])
        if not problems:
            if why is not None and first:
                say(f"{why}; going on from {name}, the newest one before it that is whole", sys.stderr)
            return found
        why = problems[0] if why is None else why
    raise CheckpointError(
        f"{why}; no other checkpoint of the run is whole: copy it again, or delete {root / 'latest'} to start anew"
    )


def _whole(named: Checkpoint) -> Checkpoint:
    """A checkpoint that was named, if all of it is whole. Raises CheckpointError."""
    _, problem = _try(named.folder)
    problems = distributed.gather_objects([problem] if problem is not None else [])
    if problems:
        raise CheckpointError(f"{problems[0]}; copy the checkpoint again, or name another one as continue_from")
    return named


def _candidates(root: Path) -> tuple[list[str] | None, str | None]:
    """The names of the folders to try, best first, and what is wrong with the pointer."""
    pointer = root / "latest"
    if not pointer.is_file():
        return None, None
    newest_first = saved_steps(root)[::-1]
    name = read_pointer(pointer)
    named = step_of(name, "step") if name is not None else None
    if name is None or named is None:
        return [other for _, other in newest_first], f"{pointer}: is not what was saved"
    before = [other for step, other in newest_first if step < named]
    if not (root / name).is_dir():
        return before, f"{pointer}: names {name!r}, which is not there"
    return [name, *before], None


def _try(folder: Path) -> tuple[Checkpoint | None, str | None]:
    """A checkpoint, and what is wrong with this rank's share of it."""
    try:
        if not (folder / "checkpoint.json").is_file():
            return None, f"{folder}: has no checkpoint.json"
        found = find_checkpoint(folder)
    except CheckpointError as error:
        return None, str(error)
    if found.files is None:
        return found, None
    share = sorted(found.files)[distributed.rank() :: distributed.world_size()]
    problem = problem_with(folder, found.files, share)
    if problem is None and (foreign := foreign_file(folder, found.files)) is not None:
        problem = f"{foreign}: was not saved with this checkpoint; remove it"
    return found, problem
