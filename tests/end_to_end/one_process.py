"""Runs commands one after the other in this process: python -m tests.end_to_end.one_process COMMANDS.json

COMMANDS.json: a list of commands, each a list of words as after `python`: ["train.py", ...], ["-m", "tools", ...].
Prints a line of JSON per command: {"code", "out"}; out is what it printed, on both streams. A command that fails ends
all.
"""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import Any

import typer
from typer.testing import CliRunner

import mcg.evaluate
import mcg.search
import train
from mcg.engine.deepspeed import stop_distributed
from tools.commands import app as tools


def _app(main: Any) -> typer.Typer:
    made = typer.Typer(pretty_exceptions_enable=False)
    made.command()(main)
    return made


PROGRAMS = {
    "train.py": _app(train.main),
    "-m mcg.evaluate": _app(mcg.evaluate.main),
    "-m mcg.search": _app(mcg.search.main),
    "-m tools": tools,
}


def main(commands: list[list[str]]) -> None:
    for words in commands:
        count = 2 if words[0] == "-m" else 1
        done = CliRunner().invoke(PROGRAMS[" ".join(words[:count])], words[count:])
        out = done.output
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            out += "".join(traceback.format_exception(done.exception))
        print(json.dumps({"code": done.exit_code, "out": out}), flush=True)
        if done.exit_code != 0:
            break
    stop_distributed()


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
