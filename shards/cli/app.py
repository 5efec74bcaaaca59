"""The program `python -m shards VERB PATH ...`; its verbs are in verbs/, a module for each.

Promises: a path is a folder or the URL of a store. --json prints one JSON object on stdout and nothing else there;
progress goes to stderr. Text from data is shown with its control characters spelled out. Errors are one line on
stderr, and exit codes are those of exit_codes.py.
"""

from __future__ import annotations

from shards.cli.program import new_program, start
from shards.cli.verbs.bench import bench
from shards.cli.verbs.index import index
from shards.cli.verbs.ls import ls
from shards.cli.verbs.merge import merge
from shards.cli.verbs.preview import preview
from shards.cli.verbs.stats import stats
from shards.cli.verbs.verify import verify

app = new_program()


@app.callback()
def _shards() -> None:
    """Look into datasets of tar shards, check them and measure them. Each verb's --help has an example.

    \b
    Exit codes: 0 done, 1 problems in the data, the machine or a store, 2 wrong usage, 3 a bug of ours,
    130 stopped; docs/exit_codes.md.
    """


app.command("index")(index)
app.command("merge")(merge)
app.command("verify")(verify)
app.command("ls")(ls)
app.command("stats")(stats)
app.command("preview")(preview)
app.command("bench")(bench)


def main() -> None:
    """Run the program."""
    start(app, "python -m shards")
