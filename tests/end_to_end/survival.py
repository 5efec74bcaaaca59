"""A run that is killed again and again at random moments, beside the same run that is not.

Every start is the same command. It makes some steps, then all its ranks are stopped (SIGSTOP) at a random moment for as
long as it takes to see what is under way, one rank drawn at random gets SIGKILL, and the others go on (SIGCONT) and
have to end by themselves. So a kill is known to have come within a save, an evaluation, an upload or a step.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from mcg.engine.checkpoint import read_pointer
from tests.end_to_end.small_runs import PYTHON, ROOT, Runs, environment, lines, slurm

HANG_SECONDS = 6.0
"""engine.hang_seconds of these runs."""
BATCH = 8
SAVE_EVERY, EVALUATE_EVERY = 3, 4
SPANS = {"step": 0.4, "save": 0.2, "evaluation": 0.2, "upload": 0.1}
"""What a run is killed in -> seconds after it was seen within which the moment is drawn; shorter after each miss."""
CHECKS = ("weights", "state", "losses", "samples", "whole")
_END_SECONDS, _LONGEST_SECONDS = 120.0, 900.0
"""For ranks that have lost one, and for one start to be killed or to end, on a busy machine."""


@dataclass(frozen=True)
class Topology:
    """What makes two runs comparable to the bit."""

    ranks: int
    stage: int

    def __str__(self) -> str:
        return f"{self.ranks} rank{'s' * (self.ranks > 1)}, ZeRO {self.stage}"


@dataclass
class Survived:
    """What became of a run that was killed."""

    kills: list[frozenset[str]] = field(default_factory=list)
    """What was under way at each."""
    victims: list[int] = field(default_factory=list)
    starts: int = 0
    seconds: float = 0.0
    problem: str | None = None
    """Why it did not come to its end as it should."""
    differences: dict[str, str] = field(default_factory=dict)
    """One of CHECKS -> what differs from the run that was not killed."""


def num_steps(kills: int) -> int:
    """Steps of a run that is to be killed so often: more than it makes until then."""
    return 4 * kills + 12


def live(runs: Runs, folder: Path, topology: Topology, steps: int) -> None:
    """The run without kills, in a folder of its own. Raises RuntimeError if it fails."""
    with _start(runs, folder, topology, steps, 0) as start:
        start.finish()


def survive(runs: Runs, folder: Path, topology: Topology, steps: int, kills: int, seed: int) -> Survived:
    """A run that is killed so often, in a folder of its own, and started again until it ends by itself."""
    draw = random.Random(f"{seed} {topology}")
    phases = draw.sample(list(SPANS), len(SPANS))
    began, found = time.monotonic(), Survived()
    try:
        for number in range(kills + 1):
            with _start(runs, folder, topology, steps, number) as start:
                found.starts += 1
                if number == kills:
                    start.finish()
                    break
                victim = draw.randrange(topology.ranks)
                found.kills.append(_kill(start, victim, phases[number % len(phases)], draw))
                found.victims.append(victim)
                start.lose(victim)
    except RuntimeError as error:
        found.problem = f"start {found.starts}: {error}"
    found.seconds = time.monotonic() - began
    return found


def compare(folder: Path, reference: Path, topology: Topology, steps: int) -> dict[str, str]:
    """What differs between the run in one folder and that in another, and what it left behind, by CHECKS; "": nothing.

    Samples are judged by the loader's position and its count; losses are equal only for the same samples.
    """
    run, other = folder / "run", reference / "run"
    last = f"step-{steps:06d}"
    ours, theirs = run / "checkpoints" / last, other / "checkpoints" / last
    states = [f"state/rank-{rank:05d}.safetensors" for rank in range(topology.ranks)]
    return {
        "weights": ", ".join(_other_bytes(ours, theirs, ["model.safetensors"])),
        "state": ", ".join(_other_bytes(ours, theirs, states)),
        "losses": _other_records(run, other),
        "samples": _other_samples(run, ours, theirs, steps),
        "whole": _left_behind(folder, ours, [*states, "model.safetensors", "checkpoint.json"]),
    }


@contextmanager
def _start(runs: Runs, folder: Path, topology: Topology, steps: int, number: int) -> Iterator[_Start]:
    """Start the ranks; none is left in the end."""
    start = _Start(runs, folder, topology, steps, number)
    try:
        yield start
    finally:
        for rank in start.ranks:
            rank.kill()
            rank.wait()


class _Start:
    """The ranks of one start of a run, as srun starts them."""

    def __init__(self, runs: Runs, folder: Path, topology: Topology, steps: int, number: int) -> None:
        folder.mkdir(exist_ok=True)
        self._folder, self._number, self._began = folder, number, time.time()
        options = (
            f"data.train.batch_size={BATCH}",
            f"schedule.length.steps={steps}",
            f"checkpoint={{every_steps: {SAVE_EVERY}, in_background: true, to: {folder / 'copies'}}}",
            f"log.evaluate_every_steps={EVALUATE_EVERY}",
            f"engine.hang_seconds={HANG_SECONDS}",
            f"engine.zero_stage={topology.stage}",
        )
        words = [*PYTHON, "train.py", *runs.command(folder / "run", *options)]
        self.ranks = []
        for rank in range(topology.ranks):
            with self._screen(rank).open("w") as screen:
                own = {**environment(), **slurm(rank, topology.ranks)}
                self.ranks.append(subprocess.Popen(words, cwd=ROOT, env=own, stderr=screen))

    def _screen(self, rank: int) -> Path:
        return self._folder / f"start-{self._number}-rank-{rank}.err"

    def said(self, rank: int) -> str:
        return self._screen(rank).read_text()

    def runs(self) -> bool:
        """Raises RuntimeError when it has taken too long."""
        if time.time() - self._began > _LONGEST_SECONDS:
            raise RuntimeError(f"has taken {_LONGEST_SECONDS:.0f} s:\n{self.said(0)[-2000:]}")
        return all(rank.poll() is None for rank in self.ranks)

    def finish(self) -> None:
        """Wait until the run has ended by itself. Raises RuntimeError if it failed, or has taken too long."""
        for number in range(len(self.ranks)):
            self._expect(0, number, _LONGEST_SECONDS)

    def lose(self, victim: int) -> None:
        """Wait until the ranks that have lost one have ended. Raises RuntimeError if one does not, or not so as it is
        promised."""
        self.ranks[victim].wait()
        for number in range(len(self.ranks)):
            if number != victim:
                self._expect(1, number, _END_SECONDS)

    def _expect(self, code: int, number: int, seconds: float) -> None:
        try:
            found = self.ranks[number].wait(seconds)
        except subprocess.TimeoutExpired:
            raise RuntimeError(
                f"rank {number} did not end within {seconds:.0f} s:\n{self.said(number)[-2000:]}"
            ) from None
        if found != code:
            raise RuntimeError(f"rank {number} ended with {found}, not {code}:\n{self.said(number)[-2000:]}")

    def told(self) -> list[str]:
        """The lines of this start about steps and scores."""
        return [line for line in self.said(0).splitlines() if line.startswith(("step ", "val at step "))]

    def under_way(self) -> frozenset[str]:
        """What this start does now; nothing before its first step."""
        told = self.told()
        if not told:
            return frozenset()
        found = {"step"}
        if told[-1].startswith("step ") and int(told[-1].split()[1].partition("/")[0]) % EVALUATE_EVERY == 0:
            found = {"evaluation"}
        checkpoints = self._folder / "run" / "checkpoints"
        aside = [*checkpoints.glob(".step-*"), *checkpoints.glob(".best-*")]
        if any(self._is_new(path) for path in aside if path.suffix != ".old"):
            found.add("save")
        unfinished = [path for path in _copies(self._folder) if not (path / "checkpoint.json").exists()]
        if any(self._is_new(path) for path in unfinished):
            found.add("upload")
        return frozenset(found)

    def _is_new(self, folder: Path) -> bool:
        """True if anything in a folder was written by this start; what an earlier one left is as it was."""
        with suppress(FileNotFoundError):  # it may vanish, but not while the ranks are stopped
            return any(path.stat().st_mtime > self._began for path in (folder, *folder.rglob("*")))
        return False

    @contextmanager
    def stopped(self) -> Iterator[bool]:
        """All ranks stopped at one moment; gives False if one has ended."""
        for rank in self.ranks:
            os.kill(rank.pid, signal.SIGSTOP)  # not Popen's, which would take away what waitid tells
        kinds = [os.waitid(os.P_PID, rank.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT) for rank in self.ranks]
        try:
            yield all(kind is not None and kind.si_code == os.CLD_STOPPED for kind in kinds)
        finally:
            for rank in self.ranks:
                os.kill(rank.pid, signal.SIGCONT)


def _kill(start: _Start, victim: int, phase: str, draw: random.Random) -> frozenset[str]:
    """Kill a rank at a random moment of a phase; returns what was under way. Raises RuntimeError if the run ended."""
    steps, span = draw.randrange(1, 4), SPANS[phase]
    while start.runs():
        if len(start.told()) < steps or phase not in start.under_way():
            time.sleep(0.003)
            continue
        time.sleep(span * draw.random())
        with start.stopped() as all_run:
            under_way = start.under_way()
            if all_run and phase in under_way:
                start.ranks[victim].kill()
                return under_way
        span /= 2
    raise RuntimeError(f"ended before it was killed in a {phase}:\n{start.said(0)[-2000:]}")


def _copies(folder: Path) -> list[Path]:
    return list((folder / "copies").glob("step-*"))


def _other_bytes(ours: Path, theirs: Path, names: list[str]) -> list[str]:
    return [n for n in names if not (ours / n).is_file() or (ours / n).read_bytes() != (theirs / n).read_bytes()]


def _other_records(run: Path, other: Path) -> str:
    """Losses with norm and rate, and scores, that differ."""
    found, expected = _losses(run), _losses(other)
    if [step for step, _ in found] != [step for step, _ in expected]:
        return f"steps {[step for step, _ in found]}"
    different = [one[0] for one, another in zip(found, expected, strict=True) if one != another]
    if different:
        return f"losses of {len(different)} of {len(found)} steps, the first is {different[0]}"
    scores, others = ([line for line in lines(of) if "metrics" in line] for of in (run, other))
    return "" if scores == others else "scores"


def _losses(run: Path) -> list[tuple[int, dict[str, float]]]:
    return [(line["step"], line["losses"]) for line in lines(run) if "losses" in line]


def _other_samples(run: Path, ours: Path, theirs: Path, steps: int) -> str:
    """What is wrong with the count of the last start and the position at the end."""
    if not (run / "accounting.json").is_file():
        return "no accounting.json"
    counted = json.loads((run / "accounting.json").read_text())
    elements = BATCH * (steps - counted["since_step"])
    if (counted["planned"], counted["delivered"], counted["substituted"]) != (elements, elements, 0):
        return f"{counted}"
    cursors = [json.loads((of / "checkpoint.json").read_text())["cursor"] for of in (ours, theirs)]
    return "" if cursors[0] == cursors[1] else f"cursors {cursors}"


def _left_behind(folder: Path, last: Path, names: list[str]) -> str:
    """What is in the folders of a finished run and its copies and should not be, and what of its last copy is not."""
    run = folder / "run"
    found = [str(path.relative_to(folder)) for path in run.rglob(".*")]
    found += [str(path.relative_to(folder)) for path in run.glob("lock*")]
    found += [f"part of {path.name}" for path in _copies(folder) if not (path / "checkpoint.json").is_file()]
    if read_pointer(folder / "copies" / "latest") != last.name:
        found.append("copies/latest")
    return ", ".join([*found, *_other_bytes(folder / "copies" / last.name, last, names)])
