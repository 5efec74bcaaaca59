"""The command line of the tools: `python -m tools VERB ...`, one module per verb.

Exit codes, errors, progress and tables are those of all commands (shards/cli/).
"""

from __future__ import annotations

import typer

from shards.cli import new_program, start
from tools.commands.build import BUILD_HELP, DatasetCommands
from tools.commands.croissant import croissant
from tools.commands.duplicates import DUPLICATES_HELP, duplicates
from tools.commands.entities import ENTITIES_HELP, entities
from tools.commands.export_ffcv import export_ffcv
from tools.commands.fetch import FETCH_HELP, fetch
from tools.commands.leaks import LEAKS_HELP, leaks
from tools.commands.merge import merge
from tools.commands.report import report
from tools.commands.reshard import RESHARD_HELP, reshard
from tools.commands.scenes import SCENES_HELP, scenes
from tools.commands.score import SCORE_HELP, score
from tools.commands.transcode import TRANSCODE_HELP, transcode
from tools.commands.verify import PASSED_ON, verify

app = new_program()


@app.callback()
def _tools() -> None:
    """Make datasets of shards that the loader reads. `python -m tools build --help` has examples."""


build = typer.Typer(cls=DatasetCommands, rich_markup_mode=None, no_args_is_help=True)
app.add_typer(build, name="build", help=BUILD_HELP)
app.command("croissant")(croissant)
app.command("duplicates", help=DUPLICATES_HELP)(duplicates)
app.command("entities", help=ENTITIES_HELP)(entities)
app.command("export-ffcv")(export_ffcv)
app.command("fetch", help=FETCH_HELP)(fetch)
app.command("leaks", help=LEAKS_HELP)(leaks)
app.command("merge")(merge)
app.command("report")(report)
app.command("reshard", help=RESHARD_HELP)(reshard)
app.command("scenes", help=SCENES_HELP)(scenes)
app.command("score", help=SCORE_HELP)(score)
app.command("transcode", help=TRANSCODE_HELP)(transcode)
app.command("verify", context_settings=PASSED_ON)(verify)


def main() -> None:
    """Run the program."""
    start(app, "python -m tools")
