"""Show, check and list config files, and write the reference of every setting.

    python -m mcg.config ls
    python -m mcg.config show configs/demo/pt.yaml optim.lr=1e-4
    python -m mcg.config validate configs/*.yaml

`schema` and `reference` print what docs/config.schema.json and docs/config.md hold.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from mcg.config import load_config
from mcg.inputs import InputError, check_inputs
from shards.base import ConfigError, UsageError, say, say_json
from shards.cli import DEBUG_OPTION, new_program, one_line_errors, start

app = new_program()
_CONFIG = typer.Argument(metavar="FILE", help="A YAML file under configs/.")


@app.command("ls")
def _list(
    folder: Annotated[Path, typer.Argument(help="Where to look.")] = Path("configs"), debug: bool = DEBUG_OPTION
) -> None:
    """List config files with the first line of each, which says what it is for."""
    with one_line_errors(debug):
        files = sorted(folder.rglob("*.yaml"))
        if not files:
            raise UsageError(f"{folder}: no config (*.yaml) there; start in the project's folder, or name another one")
        width = max(len(str(file)) for file in files)
        for file in files:
            say(f"{file!s:{width}}  {_purpose(file)}")


@app.command("show")
def _show(
    config: Annotated[Path, _CONFIG],
    overrides: Annotated[list[str] | None, typer.Argument(help="a.b=c, over the config file.")] = None,
    only: Annotated[str | None, typer.Option(help="One section, such as engine or data.train.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    debug: bool = DEBUG_OPTION,
) -> None:
    """Show every setting of a run, also those that the file leaves at their defaults."""
    with one_line_errors(debug):
        shown = _section(load_config(config, overrides or []).stored, only)
        if as_json:
            say_json(shown)
        else:
            import yaml

            _write(yaml.safe_dump(shown, sort_keys=False, allow_unicode=True, width=120))


@app.command("validate")
def _validate(
    configs: Annotated[list[Path], typer.Argument(metavar="FILE...", help="YAML files.")],
    inputs: Annotated[bool, typer.Option("--inputs", help="Look for the datasets that it names, too.")] = False,
    debug: bool = DEBUG_OPTION,
) -> None:
    """Check config files: every fault with its place, the value, and what is allowed. Exit code 2 if there is any."""
    with one_line_errors(debug):
        faults: list[str] = []
        for file in configs:
            try:
                found = load_config(file)
                if inputs:
                    check_inputs(found, ("train", "val", "test"))
                say(f"{file}: fine")
            except (ConfigError, InputError) as error:
                faults += error.args
        if faults:
            raise ConfigError(*faults)


@app.command("schema")
def _schema(debug: bool = DEBUG_OPTION) -> None:
    """Write the JSON schema of config files, for editors."""
    with one_line_errors(debug):
        from mcg.config.schema import schema

        _write(json.dumps(schema(), indent=1, ensure_ascii=False))


@app.command("reference")
def _reference(debug: bool = DEBUG_OPTION) -> None:
    """Write docs/config.md."""
    with one_line_errors(debug):
        from mcg.config.reference import reference

        _write(reference())


def _write(text: str) -> None:
    for line in text.splitlines():
        say(line)


def _purpose(file: Path) -> str:
    first = file.read_text(encoding="utf-8", errors="replace").partition("\n")[0]
    return first.lstrip("# ") if first.startswith("#") else ""


def _section(tree: dict[str, Any], path: str | None) -> Any:
    found: Any = tree
    for word in path.split(".") if path else ():
        if not isinstance(found, dict) or word not in found:
            known = f"; there is {', '.join(found)}" if isinstance(found, dict) else ""
            raise UsageError(f"--only {path!r}: no {word!r} there{known}")
        found = found[word]
    return found


if __name__ == "__main__":
    start(app, "python -m mcg.config")
