"""Set up and start programs: `python -m shards`, `python -m tools` and the commands of mcg.

Every program has shell completion (--install-completion) and plain-text help. Warnings of libraries and uncaught errors
are printed as printable text, too.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import typer

from shards.base.printing import guard_terminal


def new_program() -> typer.Typer:
    """A program with several verbs, to be added with `command`."""
    return typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True)


def start(program: typer.Typer, name: str) -> None:
    """Run a program, and end the process. name: how it is typed if it is started as a module or a file."""
    guard_terminal()
    is_module = os.path.basename(sys.argv[0]).endswith(".py")
    program(prog_name=name if is_module else None)


def start_command(command: Callable[..., Any], name: str) -> None:
    """Run a program of one command, and end the process."""
    program = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
    program.command()(command)
    start(program, name)
