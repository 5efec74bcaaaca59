"""The command line: `python -m shards VERB PATH ...`, one module per verb.

Promises: a path is a folder or the URL of a store; --json prints one JSON object on stdout and nothing else
there; progress goes to stderr, and only to a terminal; text that comes from data is shown with its control characters
spelled out.
Exit codes: 0 fine; 1 problems found in the data; 2 wrong usage (bad path, no dataset, bad option); 3 a bug of ours
(--debug shows where); 130 stopped by Ctrl-C; output.py says which error is which. Messages go to stderr, in one line
and never as a traceback.
"""

from __future__ import annotations

import typer

from shards.commands.bench import bench
from shards.commands.index import index
from shards.commands.ls import ls
from shards.commands.merge import merge
from shards.commands.preview import preview
from shards.commands.stats import stats
from shards.commands.verify import verify

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True)


@app.callback()
def shards() -> None:
    """Look into datasets of tar shards, check them and measure them. Each verb's --help has an example.

    \b
    Exit codes of all verbs: 0 fine, 1 problems in the data, 2 wrong usage, 3 a bug of ours (--debug shows where),
    130 stopped.
    """


app.command("index")(index)
app.command("merge")(merge)
app.command("verify")(verify)
app.command("ls")(ls)
app.command("stats")(stats)
app.command("preview")(preview)
app.command("bench")(bench)
