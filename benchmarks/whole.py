"""Ask whole loaders (loaders/): what each case runs, and the proof that all deliver the same samples."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import forms
import loader_data
from harness import Ask, ask
from loader_data import Data
from loaders.question import Question
from peer_venvs import python_of

FOLDER = Path(__file__).resolve().parent
WORKERS = (0, 1, 2, 4)
PEERS = ("webdataset", "litdata", "energon", "mosaic")
ENV = {"PYTHONPATH": f"{FOLDER.parent}:{FOLDER}"}
LIMIT_S = 3600.0


@dataclass(frozen=True)
class Case:
    """A system with its settings."""

    system: str
    workers: int = 0
    special: Mapping[str, Any] | None = None
    """Settings of ours beside the defaults."""
    label: str = ""

    @property
    def name(self) -> str:
        if self.label:
            return self.label
        return "ours, defaults" if self.system == "ours" else f"{self.system}, {self.workers} workers"


def options(parser: ArgumentParser) -> None:
    """The options of `chosen_peers` and `quick`."""
    parser.add_argument("--systems", default=",".join(PEERS), help="peers to ask")
    parser.add_argument("--workers", default=",".join(map(str, WORKERS)), help="numbers of workers of the peers")
    parser.add_argument("--quick", action="store_true", help="less of everything, for a first look")


def chosen_peers(chosen: Any) -> list[Case]:
    """Every peer with every number of workers; with --quick WebDataset and LitData, with 0 and 2."""
    systems = list(filter(None, chosen.systems.split(",")))
    workers = list(map(int, chosen.workers.split(",")))
    if chosen.quick:
        systems, workers = [s for s in systems if s in PEERS[:2]], [w for w in workers if w in (0, 2)]
    return [Case(system, count) for system in systems for count in workers]


def question(case: Case, data: Data, folder: Path, batch: int, size: int, venvs: Path) -> Question:
    """What a case is asked about a dataset of this machine."""
    form = "ours" if case.system == "pillow" else case.system
    url = str(forms.convert(folder, form, venvs))
    special = dict(case.special or {})
    return Question(url, [], data.num_samples, batch, case.workers, size, special=special)


def command(case: Case, verb: str, asked: Question, venvs: Path) -> list[str]:
    python = python_of("ours" if case.system == "pillow" else case.system, venvs)
    return [python, str(FOLDER / "loaders" / f"with_{case.system}.py"), verb, json.dumps(asdict(asked))]


def measure(
    cases: list[Case], data: Data, chosen: Any, batch: int = 32, size: int = 0, verb: str = "measure", **more: Any
) -> dict[str, Ask]:
    """Questions for `harness.beside`; before the first of them every system has proved what it delivers."""
    systems = tuple(dict.fromkeys(case.system for case in cases if case.system != "pillow"))
    folder = loader_data.make(data, chosen.data, chosen.venvs, systems)
    asked = {case.name: replace(question(case, data, folder, batch, size, chosen.venvs), **more) for case in cases}
    if verb == "measure":
        prove(cases, asked, folder / f"checked-{size}", chosen.venvs)
    return {
        case.name: partial(ask, command(case, verb, asked[case.name], chosen.venvs), LIMIT_S, ENV) for case in cases
    }


def prove(cases: list[Case], asked: Mapping[str, Question], done: Path, venvs: Path) -> None:
    """Raise AssertionError unless all systems deliver the same samples, once for each dataset and size."""
    first = {case.system: case for case in reversed(cases)}
    known = json.loads(done.read_text()) if done.exists() else {}
    for system, case in first.items():
        if system not in known:
            known[system] = ask(command(case, "check", asked[case.name], venvs), LIMIT_S, ENV)
    different = {system: found for system, found in known.items() if found != next(iter(known.values()))}
    assert not different, f"systems deliver different samples: {known}"
    done.write_text(json.dumps(known))


def quick(chosen: Any, samples: int) -> int:
    """Samples of a pass; a quarter with --quick."""
    return samples // 4 if chosen.quick else samples
