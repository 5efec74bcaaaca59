"""What became of the samples when something went wrong, and whether that is good enough.

Pass: no sample lost, repeated or changed without a word, and either the pass went on to its end or it stopped with a
message that names the thing (shard, sample, URL, or the setting that differs), within the time limit. A sample that
is damaged may be left out when it, or its shard, is named. Faults that pass by themselves (`must_survive`) have to be
survived.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

LIMIT_S = 45.0
"""For a pass of some seconds, from when the system is imported."""
LOAD_S = 120.0


class Verdict(NamedTuple):
    """One cell of the scorecard."""

    result: str
    """pass, fail or n/a."""
    reason: str


@dataclass
class Outcome:
    """What one process delivered and how it ended."""

    delivered: list[tuple[int, str]] = field(default_factory=list)
    """(number, checksum of the medium)."""
    end: str = "normal"
    """normal, error, killed, or hung."""
    error: str = ""
    said: str = ""
    """All that it wrote to stderr."""
    seconds: float = 0.0
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def unsupported(self) -> str:
        return str(self.figures.get("unsupported", ""))


class Running:
    """A system at work on `ids`, in a process group of its own."""

    def __init__(self, command: Sequence[str], out: Path, env: Mapping[str, str] | None = None) -> None:
        self.out = out
        self._said, self._answer = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 - until finish
        single = {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", "TMPDIR": str(out.parent)}
        self._began = time.monotonic()
        self.process = subprocess.Popen(
            command,
            stdout=self._answer,
            stderr=self._said,
            env={**os.environ, **single, **(env or {})},
            start_new_session=True,
        )

    def finish(self, limit_s: float = LIMIT_S) -> Outcome:
        """Wait for it, at most this long after it was imported; whatever is left of it is killed."""
        loaded = Path(f"{self.out}.loaded")
        while self.process.poll() is None and not loaded.exists() and time.monotonic() < self._began + LOAD_S:
            time.sleep(0.02)
        began, end = time.monotonic(), ""
        try:
            code = self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            end, code = "hung", 0
        seconds = time.monotonic() - began
        self.kill()
        self.process.wait()
        self._said.seek(0)
        self._answer.seek(0)
        said = self._said.read().decode(errors="replace")
        lines = self._answer.read().decode(errors="replace").split("\n")
        said += "\n".join(lines[:-2])
        figures: dict[str, Any] = {}
        code = 0 if code == -signal.SIGALRM else code  # it had answered, and did not come to an end by itself
        if not end and code == 0:
            figures = json.loads(lines[-2])
        end = end or (str(figures.get("end", "normal")) if code == 0 else "killed")
        error = str(figures.get("error", "")) or (said[-400:] if end == "killed" else "")
        return Outcome(read_journal(self.out), end, error, said, seconds, figures)

    def kill(self) -> None:
        """The process and whatever it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


def read_journal(path: Path) -> list[tuple[int, str]]:
    """What the process wrote down as delivered; a last line that was cut off is none."""
    if not path.exists():
        return []
    lines = path.read_text().split("\n")[:-1]
    return [(int(number), checksum) for number, checksum in (line.split() for line in lines)]


def judge(
    outcomes: Outcome | Iterable[Outcome],
    expected: Mapping[int, str],
    damaged: Iterable[int] = (),
    names: Iterable[str] = (),
    must_survive: bool = False,
    instead: Mapping[int, str] | None = None,
) -> Verdict:
    """Weigh what one or several processes delivered together against number -> checksum ("": any).

    names: what a message should contain, one of them. `instead`: samples that may stand where damaged ones were.
    """
    several = [outcomes] if isinstance(outcomes, Outcome) else list(outcomes)
    for outcome in several:
        if outcome.unsupported:
            return Verdict("n/a", outcome.unsupported)
    delivered = [sample for outcome in several for sample in outcome.delivered]
    right = {**expected, **(instead or {})}
    changed = [n for n, checksum in delivered if right.get(n) not in ("", checksum)]
    if changed:
        return Verdict("fail", f"{_count(changed)} delivered with other bytes than were written")
    declared = sum(int(outcome.figures.get("notes", {}).get("substituted", 0)) for outcome in several)
    repeated = sum(count - 1 for count in Counter(n for n, _ in delivered).values())
    if repeated > declared:
        return Verdict("fail", f"{repeated} delivered twice")
    hung = [outcome for outcome in several if outcome.end == "hung"]
    if hung:
        return Verdict("fail", f"no end and no error after {hung[0].seconds:.0f} s")
    missing = set(expected) - {n for n, _ in delivered}
    replaced = set(instead or {}) & {n for n, _ in delivered}
    if instead and replaced == set(instead):
        missing -= set(damaged)
    stopped = next((outcome for outcome in several if outcome.end != "normal"), None)
    said = "\n".join(outcome.error + "\n" + outcome.said for outcome in several)
    named = [name for name in names if name.lower() in said.lower()]
    if stopped is not None:
        text = _short(stopped.error)
        if must_survive:
            return Verdict("fail", f"stopped: {text}")
        if not named:
            return Verdict("fail", f"stopped, but the message does not name the thing: {text}")
        return Verdict("pass", f"stopped in {stopped.seconds:.0f} s: {text}")
    if not missing:
        skipped = f", {declared} substituted" if declared else ""
        return Verdict("pass", f"all {len(expected)} delivered{skipped}")
    if missing <= set(damaged) and named:
        return Verdict("pass", f"the {len(missing)} damaged left out and named, all others delivered")
    if missing <= set(damaged):
        return Verdict("fail", f"ended normally without the {len(missing)} damaged samples, unnamed")
    return Verdict("fail", f"ended normally with {len(missing)} of {len(expected)} missing")


def _count(numbers: Sequence[int]) -> str:
    return "1 sample" if len(numbers) == 1 else f"{len(numbers)} samples"


def _short(text: str, length: int = 160) -> str:
    """The first line that says something, without what changes from run to run."""
    text = re.sub(r"(/[\w.-]+)+/(?=[\w.-]+)", "", text)
    text = re.sub(r"http://127\.0\.0\.1:\d+", "http://store", " ".join(text.split()))
    return text if len(text) <= length else text[: length - 1] + "…"
