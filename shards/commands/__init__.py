"""The command line: `python -m shards VERB ...`, one module per verb.

Promises: a path is a folder or any URL that fsspec knows; --json prints one JSON object on stdout and nothing else
there; progress goes to stderr, and only to a terminal.
Exit codes: 0 fine; 1 problems found in the data; 2 wrong usage (bad path, no dataset, bad option); 130 stopped by
Ctrl-C. Messages go to stderr, never as a traceback.
"""

from __future__ import annotations

import typer

from shards.commands.index import index
from shards.commands.merge import merge

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True)


@app.callback()
def shards() -> None:
    """Look into datasets of tar shards, check them and measure them. Each verb's --help has an example."""


app.command("index")(index)
app.command("merge")(merge)
