"""The command line of the tools: `python -m tools VERB ...`, one module per verb.

Exit codes: 0 done; 1 an error, in one line (with --debug as a traceback); 2 wrong usage (an option that is not known,
missing, or names what is not there); 3 done, but more was quarantined than --max-quarantined allows; 130 stopped
by Ctrl-C (the same command goes on). output.py says which error is which.
"""

from __future__ import annotations

import typer

from tools.commands.build import build, build_help
from tools.commands.export_ffcv import export_ffcv
from tools.commands.transcode import TRANSCODE_HELP, transcode

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True)


@app.callback()
def tools() -> None:
    """Make datasets of shards that the loader reads. `python -m tools build --help` has examples."""


app.command("build", help=build_help())(build)
app.command("export-ffcv")(export_ffcv)
app.command("transcode", help=TRANSCODE_HELP)(transcode)
