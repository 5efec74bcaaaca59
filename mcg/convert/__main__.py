"""Convert a released checkpoint into one of ours.

    python -m mcg.convert model_base_14M.pth converted/blip
    python -m mcg.convert alpro_msrvtt_qa.pt converted/qa --config configs/alpro/ft_msrvtt_qa.yaml
    python -m mcg.convert vit_base_patch16_224.augreg_in21k_ft_in1k converted/vit

SRC is a file, a folder of Hugging Face or of DeepSpeed, or a known name; DST becomes a folder that `init_from` reads.
Without --config the model is the one that the checkpoint was made for. Prints what became of every key, as a table
or, with --json, as one JSON object. Exit code 1 and one line for what cannot be read, does not fit, or (unless
--lenient) has keys that are not accounted for.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mcg.config import load_config
from mcg.convert.families import FAMILIES, TARGETS
from mcg.convert.locate import locate
from mcg.convert.rules import ConvertError
from shards.base import UsageError, say
from shards.cli import DEBUG_OPTION, emit, one_line_errors, start_command


def main(
    source: Annotated[
        str, typer.Argument(metavar="SRC", help="A file, a folder of Hugging Face or DeepSpeed, or a known name.")
    ],
    out: Annotated[Path, typer.Argument(metavar="DST", help="Folder to make.")],
    kind: Annotated[str, typer.Option(help=f"One of {', '.join(FAMILIES)}; auto tells it by the keys.")] = "auto",
    config: Annotated[Path | None, typer.Option(help="A config whose model the weights are for.")] = None,
    lenient: Annotated[bool, typer.Option(help="Go on where keys are unexpected or missing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the account as JSON.")] = False,
    debug: bool = DEBUG_OPTION,
    overrides: Annotated[list[str] | None, typer.Argument(help="a.b=c, over the config file.")] = None,
) -> None:
    """Convert a released checkpoint into one of ours."""
    with one_line_errors(debug):
        if kind != "auto" and kind not in FAMILIES:
            raise UsageError(f"--kind {kind!r}: choose auto or one of {', '.join(FAMILIES)}")
        if overrides and config is None:
            raise UsageError("overrides need --config: they change that file")
        place = locate(source)
        run = None if config is None else load_config(config, overrides or [])

        from mcg.convert.account import summary
        from mcg.convert.convert import convert, detect
        from mcg.convert.output import write_checkpoint
        from mcg.convert.reading import read_checkpoint
        from mcg.convert.report import table
        from mcg.text import open_texts

        released = read_checkpoint(place)
        model = None if run is None else run.model
        target = None if model is None else TARGETS[model.name]
        family = detect(released, target) if kind == "auto" else FAMILIES[kind]
        try:
            conversion = convert(released.state, family, lambda model: model.build(open_texts(model)), model)
            conversion = conversion.noting(released.beside)
        except ConvertError as error:
            raise ConvertError(f"{released.file}: {error}") from error
        emit(summary(conversion), as_json, table(conversion))
        if not lenient:
            conversion.check(str(released.file))
        folder = write_checkpoint(conversion, released, out, open_texts(conversion.config).size)
    say(f"{folder}: {len(conversion.state)} weights", sys.stderr)


if __name__ == "__main__":
    start_command(main, "python -m mcg.convert")
