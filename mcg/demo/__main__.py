"""The demo: the whole path, small, in minutes on two CPU cores.

    make demo      or      python -m mcg.demo [--run-dir runs/demo] [--only data|pretrain|finetune|evaluate|report]
    make demo DATA=s3://bucket/demo      or      python -m mcg.demo --data-dir s3://bucket/demo

Raw clips and pictures of samples/ and rendered moving shapes become tar shards; a small MCG is pre-trained on them with
DeepSpeed, fine-tuned to answer questions, and scored on clips it has never seen, also with controls that take the
picture, the order or the direction of time away. Every part is a command a user could type, and is printed as such.
Results: RUN_DIR/summary.json and RUN_DIR/report.html. Parts that are done already are kept unless --fresh.
The shards may go to a bucket; everything else then streams from there (docs/streaming.md).
"""

from __future__ import annotations

import json
import os
import resource
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from mcg.demo.page import write_page
from mcg.demo.summary import SCORED, datasets_of, files_in, summarise
from shards.base import SourceError, cell, say, scrub
from shards.cli import DEBUG_OPTION, one_line_errors, start_command
from shards.dataset import DATASET_FILE

PARTS = ("data", "pretrain", "finetune", "evaluate", "report")
SHAPES = {
    ("captions", "train"): 3000,
    ("captions", "val"): 300,
    ("questions", "train"): 4000,
    ("questions", "val"): 150,
    ("questions", "test"): 600,
}
"""Clips to render, by text and split."""
SHAPES_FOLDERS = [f"shapes-{text}/{split}" for text, split in SHAPES]
CACHE_LIMIT = "1GB"
"""More than all of these take."""
REAL = ("samples/cc3m", "samples/msrvtt_qa", "samples/webvid")
"""Datasets of real clips and pictures."""

_console = Console(stderr=True)


@dataclass
class _Demo:
    """One demo folder, and what its parts took."""

    folder: Path
    data: str
    """Folder or URL prefix that holds the datasets."""
    seed: int
    overrides: list[str]
    clip_share: float = 1.0
    """Share of SHAPES that is rendered."""
    cache: Path | None = None
    """Folder for shards from a bucket; None: samples are read from there one by one."""
    called: int = 0
    """Commands run so far."""

    def build_data(self) -> None:
        """Every dataset of the demo as shards; one that is there already is kept."""
        builds = []
        for (text, split), all_clips in SHAPES.items():
            clips = str(max(1, round(all_clips * self.clip_share)))
            options = ["--split", split, "--text", text, "--num-clips", clips, "--seed", str(self.seed)]
            builds.append(("shapes", f"shapes-{text}/{split}", options))
        captions = ["--annotations", "samples/webvid/results_2M_train.csv", "--media", "samples"]
        pictures = ["--annotations", "samples/cc3m/cc3m.json", "--media", "samples"]
        questions = ["--annotations", "samples/msrvtt_qa/train.jsonl", "--media", "samples"]
        questions += ["--id-map", "samples/msrvtt_qa/video_id_to_file.json"]
        builds += [("webvid", REAL[2], captions), ("cc3m", REAL[0], pictures), ("msrvtt-qa", REAL[1], questions)]
        self._call_all(
            [
                ["-m", "tools", "build", name, *options, "--out", f"{self.data}/{folder}"]
                for name, folder, options in builds
                if DATASET_FILE not in files_in(f"{self.data}/{folder}")
            ]
        )

    def train(self, config: str, run_dir: Path) -> None:
        """One run of train.py; goes on where it stopped, and is kept where it is done."""
        if not (run_dir / "accounting.json").is_file():
            self._call(["train.py", "--config", config, *self._settings(run_dir)])

    def evaluate(self) -> None:
        """Accuracy on the test split, without and with controls, in one process."""
        run_dir = self.folder / "ft"
        controls = [word for control in SCORED for word in ("--control", control)]
        command = ["-m", "mcg.evaluate", "--config", "configs/demo/ft_qa.yaml", "--checkpoint", str(run_dir)]
        # the latest, whose scores the documents tell
        chosen = ["--split", "test", "--select", "latest", "--again"]
        self._call([*command, *chosen, *controls, *self._settings(run_dir)])

    def _settings(self, run_dir: Path) -> list[str]:
        settings = [f"vars.data={self.data}", f"run_dir={run_dir}", f"seed={self.seed}"]
        splits = ["train", "val"]
        if run_dir.name == "ft":
            settings.append(f"init_from={self.folder / 'pt'}")
            splits.append("test")
        if self.cache is not None:
            settings += [f"data.{split}.cache={{folder: {self.cache}, limit: {CACHE_LIMIT}}}" for split in splits]
        return settings + self.overrides

    def _call(self, arguments: list[str]) -> None:
        self._announce(arguments)
        _check(arguments, subprocess.run([sys.executable, *arguments], check=False).returncode)

    def _call_all(self, commands: Sequence[list[str]]) -> None:
        """Run commands that do not need each other, one for each core at a time; what each says is shown when it has
        ended, in their order."""
        pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)))
        try:
            for arguments, done in zip(commands, pool.map(_run_aside, commands), strict=True):
                self._announce(arguments)
                for line in done.stdout.splitlines():
                    say(line, sys.stderr)
                _check(arguments, done.returncode)
        finally:
            pool.shutdown(cancel_futures=True)

    def _announce(self, arguments: list[str]) -> None:
        self.called += 1
        _console.rule()
        _console.print(cell("$ python " + shlex.join(map(scrub, arguments))), style="bold")

    def timed(self, part: str, action: Callable[[], None]) -> None:
        """Do a part, and note its seconds and the memory of its largest process, unless it was done already."""
        started, called = time.perf_counter(), self.called
        action()
        if self.called > called:
            largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
            cost = {"seconds": round(time.perf_counter() - started, 1), "largest_process_gb": round(largest / 2**20, 2)}
            self._costs_file.write_text(json.dumps({**self._costs(), part: cost}) + "\n")

    @property
    def _costs_file(self) -> Path:
        return self.folder / "costs.json"

    def _costs(self) -> dict[str, dict[str, float]]:
        return json.loads(self._costs_file.read_text()) if self._costs_file.is_file() else {}

    def report(self) -> dict[str, Any]:
        """Write summary.json and report.html; returns the summary."""
        summary = summarise(self.folder, self._costs(), datasets_of(self.data, [*REAL, *SHAPES_FOLDERS]))
        (self.folder / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
        write_page(self.folder / "report.html", summary, f"{self.data}/shapes-questions/test")
        return summary


def _run_aside(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )


def _check(arguments: list[str], code: int) -> None:
    if code:
        raise subprocess.CalledProcessError(code, ["python", *arguments])


def main(
    run_dir: Annotated[Path, typer.Option(help="Where data, checkpoints and results go.")] = Path("runs/demo"),
    data_dir: Annotated[
        str | None, typer.Option(help="Where the shards go instead: a folder or a URL prefix, e.g. s3://bucket/demo.")
    ] = None,
    only: Annotated[str | None, typer.Option(help=f"Only one part: {', '.join(PARTS)}.")] = None,
    fresh: Annotated[bool, typer.Option(help="Delete RUN_DIR first, but not what is in another --data-dir.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the rendered clips and of the training.")] = 0,
    cache_dir: Annotated[
        Path | None, typer.Option(help="Keep shards from a bucket here, on a local disk; without it none are kept.")
    ] = None,
    clip_share: Annotated[float, typer.Option(min=0.01, max=1.0, help="Share of the clips to render.")] = 1.0,
    override: Annotated[list[str] | None, typer.Option(help="a.b=c over both configs; may be repeated.")] = None,
    debug: bool = DEBUG_OPTION,
) -> None:
    """Shards from raw media, pre-training, fine-tuning, scores on unseen clips, a report."""
    if only is not None and only not in PARTS:
        raise typer.BadParameter(f"--only {only!r}: choose one of {', '.join(PARTS)}")
    if not Path("samples").is_dir() or not Path("configs/demo").is_dir():
        raise typer.BadParameter("run the demo from the project's folder, where samples/ and configs/ are")
    if fresh and run_dir.exists():
        shutil.rmtree(run_dir)
    run_dir.mkdir(parents=True, exist_ok=True)
    demo = _Demo(run_dir, (data_dir or str(run_dir / "data")).rstrip("/"), seed, override or [], clip_share, cache_dir)
    actions: dict[str, Callable[[], Any]] = {
        "data": demo.build_data,
        "pretrain": lambda: demo.train("configs/demo/pt.yaml", run_dir / "pt"),
        "finetune": lambda: demo.train("configs/demo/ft_qa.yaml", run_dir / "ft"),
        "evaluate": demo.evaluate,
    }
    with one_line_errors(debug, "the demo stopped; the same command goes on where it was"):
        try:
            for part, action in actions.items():
                if only in (None, part):
                    demo.timed(part, action)
        except subprocess.CalledProcessError as error:
            what = f"the demo stopped: {shlex.join(error.cmd)} ended with code {error.returncode}"
            _console.print(cell(what), style="red")
            raise typer.Exit(1) from error
        except SourceError as error:
            raise SourceError(f"the demo stopped: {error}") from error
        if only in (None, "report"):
            _tell(demo.report(), run_dir)


def _tell(summary: dict[str, Any], run_dir: Path) -> None:
    test = summary["test"]
    _console.rule()
    kinds = "  ".join(f"{kind} {share:.2f}" for kind, share in test["accuracy"]["by_type"].items())
    _console.print(f"accuracy on {test['num_scored']} questions about unseen clips: {test['accuracy']['overall']:.3f}")
    _console.print(cell(f"  by type: {kinds}"))
    _console.print(f"  always the commonest answer of the type: {test['baseline']['overall']:.3f}")
    say(f"results: {run_dir / 'summary.json'}  and, to look at, {run_dir / 'report.html'}")


if __name__ == "__main__":
    start_command(main, "python -m mcg.demo")
